// Confetti for a few seconds when the goal is reached. ES5.
(function (button) {
  var DURATION = 7000, PIECES = 160; // ms, number of pieces
  var COLOURS = button.palette.confetti;
  var nextFrame = window.requestAnimationFrame;

  // A piece of confetti: position, velocity (screen sizes per second), rotation, size, colour.
  function createPiece(i) {
    var side = i % 2 ? 1 : 0; // thrown alternately from the left and the right
    return {
      x: side, y: 0.75,
      right: (side ? -1 : 1) * (0.1 + Math.random() * 0.75), down: -0.7 - Math.random() * 0.75,
      start: Math.random() * 1800, turn: Math.random() * 6, spin: 2 + Math.random() * 7,
      size: 0.007 + Math.random() * 0.011, colour: COLOURS[i % COLOURS.length]
    };
  }

  // The position of a piece after `seconds`. It is thrown, slowed by drag, and falls.
  function position(piece, seconds) {
    var slowed = (1 - Math.exp(-1.6 * seconds)) / 1.6;
    return {
      x: piece.x + piece.right * slowed,
      y: piece.y + piece.down * slowed + 0.16 * seconds * seconds / (1 + 0.35 * seconds)
    };
  }

  button.celebrate = function () {
    var canvas, ctx, pieces = [], startedAt = +new Date(), i;
    if (!nextFrame || button.reducedMotion() || button.byId('party')) { return; }
    canvas = document.createElement('canvas');
    ctx = canvas.getContext('2d');
    canvas.id = 'party';
    canvas.width = window.innerWidth;
    canvas.height = window.innerHeight;
    document.body.appendChild(canvas);
    for (i = 0; i < PIECES; i += 1) { pieces.push(createPiece(i)); }

    function draw() {
      var age = new Date() - startedAt, piece, at, size, seconds;
      if (age > DURATION) {
        document.body.removeChild(canvas);
        return;
      }
      ctx.setTransform(1, 0, 0, 1, 0, 0);
      ctx.clearRect(0, 0, canvas.width, canvas.height);
      ctx.globalAlpha = Math.min(1, (DURATION - age) / 1200);
      for (i = 0; i < PIECES; i += 1) {
        piece = pieces[i];
        seconds = (age - piece.start) / 1000;
        if (seconds < 0) { continue; }
        at = position(piece, seconds);
        size = piece.size * Math.max(canvas.width, canvas.height);
        ctx.setTransform(1, 0, 0, 1, at.x * canvas.width, at.y * canvas.height);
        ctx.rotate(piece.turn + seconds * piece.spin * 0.4);
        ctx.scale(1, Math.cos(piece.turn + seconds * piece.spin)); // tumbling
        ctx.fillStyle = piece.colour;
        ctx.fillRect(-size / 2, -size / 3, size, size * 2 / 3);
      }
      nextFrame(draw);
    }
    nextFrame(draw);
  };
})(window.theButton);
