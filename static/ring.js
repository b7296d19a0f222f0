// The ring, drawn by hand on a canvas, which is right in every engine: a disc, a wedge for each
// deal, the cap of the button over it. ES5.
(function (button) {
  var TURN = Math.PI * 2, TOP = -Math.PI / 2;
  // Radii as shares of the disc's; the disc leaves room on the canvas for its shadow.
  var DISC = 0.46, OUTER = 0.94, INNER = 0.665, CAP = 0.6;
  var SPRING = 700, SINK = 420; // ms
  var LIGHT = {
    disc: '#ffffff', slot: '#e4e8ee', wedge: ['#23a455', '#12803c'], shadow: 'rgba(23,37,64,.22)', well: '#d5dbe4'
  };
  var DARK = {
    disc: '#17202d', slot: '#2a3545', wedge: ['#2fbd67', '#15803d'], shadow: 'rgba(0,0,0,.6)', well: '#0c131d'
  };
  var BLUE = ['#5b8dff', '#1d55dd', '#143c9f'], GOLD = ['#ffe08a', '#f4b41f', '#c98a06'], GREY = ['#98a4b3', '#64707f', '#4a5461'];

  var nextFrame = window.requestAnimationFrame || function (draw) { return setTimeout(draw, 33); };

  function now() { return +new Date(); }

  // From 0 to 1, a little over it on the way.
  function spring(t) {
    var s = 1.9, u = t - 1;
    return t >= 1 ? 1 : 1 + (s + 1) * u * u * u + s * u * u;
  }

  button.ring = function (canvas) {
    var pen = canvas.getContext && canvas.getContext('2d');
    var side = 0, goal = 20, from = 0, to = 0, begun = 0, sunk = 0, dimmed = true, moving = false;

    // A wedge from `low` to `high` of the radius, with a gap of `gap` radii on either side of even width.
    function wedge(middle, radius, first, last, low, high, gap) {
      pen.beginPath();
      pen.arc(middle, middle, radius * high, first + gap / high, last - gap / high, false);
      pen.arc(middle, middle, radius * low, last - gap / low, first + gap / low, true);
      pen.closePath();
      pen.fill();
    }

    function disc(middle, radius, fill) {
      pen.beginPath();
      pen.arc(middle, middle, radius, 0, TURN, false);
      pen.fillStyle = fill;
      pen.fill();
    }

    function shaded(middle, radius, colours) {
      var light = pen.createRadialGradient(middle - radius * 0.3, middle - radius * 0.45, radius * 0.1, middle, middle, radius);
      light.addColorStop(0, colours[0]);
      light.addColorStop(0.55, colours[1]);
      light.addColorStop(1, colours[2]);
      return light;
    }

    function lift(blur, drop, colour) {
      pen.shadowColor = colour;
      pen.shadowBlur = blur;
      pen.shadowOffsetY = drop;
    }

    function wedges(middle, radius, look, progress) {
      var step = TURN / goal, gap = Math.min(0.014, step * INNER * 0.15), i, first, last, grown, green;
      green = pen.createRadialGradient(middle, middle, radius * INNER, middle, middle, radius * OUTER);
      green.addColorStop(0, look.wedge[0]);
      green.addColorStop(1, look.wedge[1]);
      for (i = 0; i < goal; i += 1) {
        first = TOP + i * step;
        last = first + step;
        pen.fillStyle = look.slot;
        wedge(middle, radius, first, last, INNER, OUTER, gap);
        grown = i < Math.min(from, to) ? 1 : i >= Math.max(from, to) ? 0 : to > from ? progress : 1 - progress;
        if (grown > 0.01) {
          pen.fillStyle = green;
          wedge(middle, radius, first, last, INNER, INNER + (OUTER - INNER) * Math.min(grown, 1.12), gap);
        }
      }
    }

    function cap(middle, radius, look, depth) {
      var colours = dimmed ? GREY : to >= goal ? GOLD : BLUE, size = radius * CAP * (1 - 0.05 * depth);
      disc(middle, radius * (CAP + 0.035), look.well);
      lift(radius * 0.06 * (1 - depth), radius * 0.03 * (1 - depth), 'rgba(8,20,50,.45)');
      disc(middle, size, shaded(middle, size, colours));
      lift(0, 0, 'rgba(0,0,0,0)');
      pen.lineWidth = Math.max(1, radius * 0.008);
      pen.strokeStyle = 'rgba(255,255,255,.28)';
      pen.beginPath();
      pen.arc(middle, middle, size * 0.985, 0, TURN, false);
      pen.stroke();
    }

    function draw() {
      var look = button.dark() ? DARK : LIGHT, middle = canvas.width / 2, radius = canvas.width * DISC;
      var age = now() - begun, progress = spring(age / SPRING), pressed = now() - sunk;
      // Down in a quarter of the time, then back up.
      var depth = pressed >= SINK ? 0 : pressed < SINK / 4 ? pressed / (SINK / 4) : 1 - spring((pressed - SINK / 4) / (SINK * 0.75));
      pen.clearRect(0, 0, canvas.width, canvas.height);
      lift(radius * 0.05, radius * 0.018, look.shadow);
      disc(middle, radius, look.disc);
      lift(0, 0, 'rgba(0,0,0,0)');
      wedges(middle, radius, look, progress);
      cap(middle, radius, look, Math.max(-0.3, depth));
      moving = age < SPRING || pressed < SINK;
      if (moving) { nextFrame(draw); }
    }

    function start() { if (pen && !moving) { draw(); } }

    return {
      // The canvas is `size` CSS pixels wide, and sharp on dense screens.
      resize: function (size) {
        var dense = Math.min(3, window.devicePixelRatio || 1);
        if (side !== size * dense) {
          side = size * dense;
          canvas.width = canvas.height = Math.round(side);
          canvas.style.width = canvas.style.height = size + 'px';
        }
        start();
      },
      // Shows `pressed` of `newGoal` wedges; `sink`: the cap goes down and springs back.
      show: function (newGoal, pressed, sink) {
        var still = button.still();
        from = newGoal === goal ? to : pressed;
        to = pressed;
        goal = newGoal;
        begun = still || from === to ? 0 : now();
        if (sink && !still) { sunk = now(); }
        start();
      },
      dim: function (on) { dimmed = on; start(); }
    };
  };
})(window.theButton);
