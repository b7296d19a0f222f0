// The ring: a disc, a wedge for each deal, and the cap of the button on top. Drawn on a canvas, which every
// engine supports. ES5.
(function (button) {
  var TURN = Math.PI * 2, TOP = -Math.PI / 2;
  // Radii as fractions of the disc's. DISC is a fraction of the canvas that leaves space for the shadow.
  // templates/wheel.html draws the same ring.
  var DISC = 0.46, OUTER = 0.94, INNER = 0.665, CAP = 0.6;
  var WEDGE_DURATION = 700, PRESS_DURATION = 420, FLASH_DURATION = 1500; // ms
  var MAX_WEDGES = 120; // above this, one arc with a tick at every 5th press, or 10th, …
  var TICKS = [5, 10, 25, 50];
  var CAPS = button.palette.caps, NONE = button.palette.none;

  var nextFrame = window.requestAnimationFrame || function (draw) { return setTimeout(draw, 33); };

  function now() { return +new Date(); }

  // Eases from 0 to 1 with an overshoot.
  function spring(t) {
    var s = 1.9, u = t - 1;
    return t >= 1 ? 1 : 1 + (s + 1) * u * u * u + s * u * u;
  }

  // Fills a wedge from `low` to `high`, fractions of the radius, with a gap of constant width on each side.
  function fillWedge(ctx, centre, radius, first, last, low, high, gap) {
    ctx.beginPath();
    ctx.arc(centre, centre, radius * high, first + gap / high, last - gap / high, false);
    ctx.arc(centre, centre, radius * low, last - gap / low, first + gap / low, true);
    ctx.closePath();
    ctx.fill();
  }

  function fillDisc(ctx, centre, radius, fill) {
    ctx.beginPath();
    ctx.arc(centre, centre, radius, 0, TURN, false);
    ctx.fillStyle = fill;
    ctx.fill();
  }

  function setShadow(ctx, blur, offset, colour) {
    ctx.shadowColor = colour;
    ctx.shadowBlur = blur;
    ctx.shadowOffsetY = offset;
  }

  function drawCap(ctx, centre, radius, colours) {
    var size = radius * CAP, gradient = ctx.createRadialGradient(
      centre, centre - size * 0.15, size * 0.55, centre, centre - size * 0.1, size * 1.1
    );
    gradient.addColorStop(0, colours[0]);
    gradient.addColorStop(1, colours[1]);
    setShadow(ctx, radius * 0.06, radius * 0.03, CAPS.shadow);
    fillDisc(ctx, centre, size, gradient);
    setShadow(ctx, 0, 0, NONE);
    ctx.lineWidth = Math.max(1, radius * 0.008);
    ctx.strokeStyle = CAPS.edge;
    ctx.beginPath();
    ctx.arc(centre, centre, size * 0.985, 0, TURN, false);
    ctx.stroke();
    // The shine of a dome under a lamp. It ends above the number, which needs the contrast.
    gradient = ctx.createLinearGradient(0, centre - size, 0, centre - size * 0.45);
    gradient.addColorStop(0, CAPS.shine[0]);
    gradient.addColorStop(1, CAPS.shine[1]);
    ctx.save();
    ctx.beginPath();
    ctx.arc(centre, centre, size * 0.94, 0, TURN, false);
    ctx.clip();
    ctx.beginPath();
    ctx.arc(centre, centre - size * 1.75, size * 1.3, 0, TURN, false);
    ctx.fillStyle = gradient;
    ctx.fill();
    ctx.restore();
  }

  button.ring = function (canvas) {
    var ctx = canvas.getContext && canvas.getContext('2d');
    var side = 0, goal = 20, from = 0, to = 0, changedAt = 0, pressedAt = 0;
    var dimmed = true, animating = false, layers = {}, layersKey = '';

    // Presses per wedge: 1, or the distance between the ticks of an arc.
    function pressesPerWedge() {
      var i = 0;
      if (goal <= MAX_WEDGES) { return 1; }
      while (i < TICKS.length - 1 && goal / TICKS[i] > 40) { i += 1; }
      return TICKS[i];
    }

    // Calls paint(first press, start angle, end angle, gap) for each wedge up to `last` presses.
    function eachWedge(last, paint) {
      var size = pressesPerWedge(), step = TURN / goal, i;
      var gap = Math.min(0.014, step * size * INNER * 0.15);
      for (i = 0; i < last; i += size) {
        paint(i, TOP + i * step, TOP + Math.min(i + size, last) * step, gap);
      }
    }

    // Returns a layer that is drawn once, since blurred shadows are too slow to draw in each frame.
    function cached(name, paint, colours) {
      var layer;
      if (!layers[name]) {
        layer = document.createElement('canvas');
        layer.width = layer.height = canvas.width;
        paint(layer.getContext('2d'), canvas.width / 2, canvas.width * DISC, colours);
        layers[name] = layer;
      }
      return layers[name];
    }

    function drawBase(base, centre, radius, theme) {
      setShadow(base, radius * 0.05, radius * 0.018, theme.shadow);
      fillDisc(base, centre, radius, theme.disc);
      setShadow(base, 0, 0, NONE);
      base.fillStyle = theme.line;
      eachWedge(goal, function (i, first, last, gap) {
        fillWedge(base, centre, radius, first, last, INNER, OUTER, gap);
      });
      fillDisc(base, centre, radius * (CAP + 0.035), theme.well);
    }

    function drawWedges(centre, radius, theme, progress) {
      var green = ctx.createRadialGradient(centre, centre, radius * INNER, centre, centre, radius * OUTER);
      green.addColorStop(0, theme.wedge);
      green.addColorStop(1, theme.rim);
      ctx.fillStyle = green;
      if (goal > MAX_WEDGES) {
        eachWedge(from + (to - from) * Math.min(progress, 1), function (i, first, last, gap) {
          if (last - first < 2 * gap / INNER) { return; }
          fillWedge(ctx, centre, radius, first, last, INNER, OUTER, gap);
        });
        return;
      }
      eachWedge(Math.max(from, to), function (i, first, last, gap) {
        var size = i < Math.min(from, to) ? 1 : to > from ? progress : 1 - progress;
        if (size > 0.01) {
          size = INNER + (OUTER - INNER) * Math.min(size, 1.12);
          fillWedge(ctx, centre, radius, first, last, INNER, size, gap);
        }
      });
    }

    // Flashes the wedges of a press.
    function drawFlash(centre, radius, age) {
      var step = TURN / goal;
      if (to <= from || age >= FLASH_DURATION || age < 0) { return; }
      ctx.globalAlpha = 0.75 * Math.pow(1 - age / FLASH_DURATION, 2);
      ctx.fillStyle = CAPS.light;
      fillWedge(ctx, centre, radius, TOP + from * step, TOP + to * step, INNER, OUTER, 0);
      ctx.globalAlpha = 1;
    }

    // The depth of the cap, 0 to 1: down in a quarter of PRESS_DURATION, then back up.
    function capDepth(age) {
      var down = PRESS_DURATION / 4;
      if (age >= PRESS_DURATION) { return 0; }
      return age < down ? age / down : 1 - spring((age - down) / (PRESS_DURATION * 0.75));
    }

    function draw() {
      var theme = button.colours(), width = canvas.width;
      var age = now() - changedAt, pressAge = now() - pressedAt;
      var colours = to >= goal ? (dimmed ? CAPS.oldGold : CAPS.gold) : dimmed ? CAPS.grey : CAPS.blue;
      var size = width * (1 - 0.05 * Math.max(-0.3, capDepth(pressAge))), margin = (width - size) / 2;
      var key = [side, goal, theme.disc].join();
      if (layersKey !== key) {
        layersKey = key;
        layers = {};
      }
      ctx.clearRect(0, 0, width, canvas.height);
      ctx.drawImage(cached('base', drawBase, theme), 0, 0);
      drawWedges(width / 2, width * DISC, theme, spring(age / WEDGE_DURATION));
      drawFlash(width / 2, width * DISC, pressAge);
      ctx.drawImage(cached(colours[0], drawCap, colours), margin, margin, size, size);
      animating = age < WEDGE_DURATION || pressAge < FLASH_DURATION;
      if (animating) { requestFrame(); }
    }

    function requestFrame() {
      nextFrame(function () { button.attempt(draw); });
    }

    function start() {
      if (ctx && !animating) {
        animating = true;
        requestFrame();
      }
    }

    return {
      // Makes the canvas `size` CSS pixels wide, and sharp on high-density screens.
      resize: function (size) {
        var pixelRatio = Math.min(3, window.devicePixelRatio || 1);
        if (side !== size * pixelRatio) {
          side = size * pixelRatio;
          canvas.width = canvas.height = Math.round(side);
          canvas.style.width = canvas.style.height = size + 'px';
        }
        start();
      },
      // Shows `made` of `newGoal` wedges. If `isPress`, the cap goes down and springs back.
      show: function (newGoal, made, isPress) {
        var still = button.reducedMotion();
        from = newGoal === goal ? to : made;
        to = made;
        goal = newGoal;
        changedAt = still || from === to ? 0 : now();
        if (isPress && !still) { pressedAt = now(); }
        start();
      },
      dim: function (on) {
        if (dimmed !== on) {
          dimmed = on;
          start();
        }
      }
    };
  };
})(window.theButton);
