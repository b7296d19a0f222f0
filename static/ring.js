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
  // The cap's colours, in the middle and at its rim. White on the first has a contrast of 7.
  var BLUE = ['#1a47c4', '#0f2f86'], GOLD = ['#f6b92a', '#c98a06'], GREY = ['#4b5563', '#363f4b'];

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
    var pictures = {}, picturesOf = '';

    // A wedge from `low` to `high` of the radius, with a gap of `gap` radii on either side of even width.
    function wedge(on, middle, radius, first, last, low, high, gap) {
      on.beginPath();
      on.arc(middle, middle, radius * high, first + gap / high, last - gap / high, false);
      on.arc(middle, middle, radius * low, last - gap / low, first + gap / low, true);
      on.closePath();
      on.fill();
    }

    function disc(on, middle, radius, fill) {
      on.beginPath();
      on.arc(middle, middle, radius, 0, TURN, false);
      on.fillStyle = fill;
      on.fill();
    }

    function lift(on, blur, drop, colour) {
      on.shadowColor = colour;
      on.shadowBlur = blur;
      on.shadowOffsetY = drop;
    }

    function each(draw) {
      var step = TURN / goal, gap = Math.min(0.014, step * INNER * 0.15), i;
      for (i = 0; i < goal; i += 1) { draw(i, TOP + i * step, TOP + (i + 1) * step, gap); }
    }

    // Draws a picture once and keeps it: blurred shadows are too slow to draw in each frame.
    function picture(name, draw) {
      var paper;
      if (!pictures[name]) {
        paper = document.createElement('canvas');
        paper.width = paper.height = canvas.width;
        draw(paper.getContext('2d'), canvas.width / 2, canvas.width * DISC);
        pictures[name] = paper;
      }
      return pictures[name];
    }

    function drawBase(on, middle, radius, look) {
      lift(on, radius * 0.05, radius * 0.018, look.shadow);
      disc(on, middle, radius, look.disc);
      lift(on, 0, 0, 'rgba(0,0,0,0)');
      on.fillStyle = look.slot;
      each(function (i, first, last, gap) { wedge(on, middle, radius, first, last, INNER, OUTER, gap); });
      disc(on, middle, radius * (CAP + 0.035), look.well);
    }

    function drawCap(on, middle, radius, colours) {
      var size = radius * CAP, light = on.createRadialGradient(middle, middle - size * 0.15, size * 0.55, middle, middle - size * 0.1, size * 1.1);
      light.addColorStop(0, colours[0]);
      light.addColorStop(1, colours[1]);
      lift(on, radius * 0.06, radius * 0.03, 'rgba(8,20,50,.45)');
      disc(on, middle, size, light);
      lift(on, 0, 0, 'rgba(0,0,0,0)');
      on.lineWidth = Math.max(1, radius * 0.008);
      on.strokeStyle = 'rgba(255,255,255,.28)';
      on.beginPath();
      on.arc(middle, middle, size * 0.985, 0, TURN, false);
      on.stroke();
      // A dome under a lamp: the shine ends above the number, whose contrast must stay.
      light = on.createLinearGradient(0, middle - size, 0, middle - size * 0.45);
      light.addColorStop(0, 'rgba(255,255,255,.42)');
      light.addColorStop(1, 'rgba(255,255,255,0)');
      on.save();
      on.beginPath();
      on.arc(middle, middle, size * 0.94, 0, TURN, false);
      on.clip();
      on.beginPath();
      on.arc(middle, middle - size * 1.75, size * 1.3, 0, TURN, false);
      on.fillStyle = light;
      on.fill();
      on.restore();
    }

    function drawWedges(middle, radius, look, progress) {
      var green = pen.createRadialGradient(middle, middle, radius * INNER, middle, middle, radius * OUTER);
      green.addColorStop(0, look.wedge[0]);
      green.addColorStop(1, look.wedge[1]);
      pen.fillStyle = green;
      each(function (i, first, last, gap) {
        var grown = i < Math.min(from, to) ? 1 : i >= Math.max(from, to) ? 0 : to > from ? progress : 1 - progress;
        if (grown > 0.01) {
          wedge(pen, middle, radius, first, last, INNER, INNER + (OUTER - INNER) * Math.min(grown, 1.12), gap);
        }
      });
    }

    function draw() {
      var dark = button.dark(), look = dark ? DARK : LIGHT, middle = canvas.width / 2, radius = canvas.width * DISC;
      var age = now() - begun, pressed = now() - sunk, colours = dimmed ? GREY : to >= goal ? GOLD : BLUE;
      // Down in a quarter of the time, then back up.
      var depth = pressed >= SINK ? 0 : pressed < SINK / 4 ? pressed / (SINK / 4) : 1 - spring((pressed - SINK / 4) / (SINK * 0.75));
      var small = canvas.width * (1 - 0.05 * Math.max(-0.3, depth)), key = [side, goal, dark].join();
      if (picturesOf !== key) { picturesOf = key; pictures = {}; }
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(picture('base', function (on, m, r) { drawBase(on, m, r, look); }), 0, 0);
      drawWedges(middle, radius, look, spring(age / SPRING));
      pen.drawImage(
        picture(colours[0], function (on, m, r) { drawCap(on, m, r, colours); }),
        (canvas.width - small) / 2, (canvas.width - small) / 2, small, small
      );
      moving = age < SPRING || pressed < SINK;
      if (moving) { nextFrame(draw); }
    }

    function start() { if (pen && !moving) { moving = true; nextFrame(draw); } }

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
      dim: function (on) { if (dimmed !== on) { dimmed = on; start(); } }
    };
  };
})(window.theButton);
