// The goal is reached: paper falls for a few seconds, and then is gone. ES5.
(function (button) {
  var LASTS = 7000, PIECES = 160; // ms, and how many
  var COLOURS = ['#23a455', '#1d55dd', '#f4b41f', '#e4572e', '#ffffff'];
  var frame = window.requestAnimationFrame;

  // A piece of paper: where it is, how it goes (shares of the screen a second), how it turns.
  function piece(i) {
    var side = i % 2 ? 1 : 0; // from the left and from the right
    return {
      x: side, y: 0.75, right: (side ? -1 : 1) * (0.1 + Math.random() * 0.75), down: -0.7 - Math.random() * 0.75,
      begun: Math.random() * 1800, turn: Math.random() * 6, spin: 2 + Math.random() * 7,
      size: 0.007 + Math.random() * 0.011, colour: COLOURS[i % COLOURS.length]
    };
  }

  // Where a piece is after so many seconds: thrown, held by the air, falling at last.
  function fly(one, seconds) {
    var held = (1 - Math.exp(-1.6 * seconds)) / 1.6;
    return { x: one.x + one.right * held, y: one.y + one.down * held + 0.16 * seconds * seconds / (1 + 0.35 * seconds) };
  }

  button.celebrate = function () {
    var paper, pen, pieces = [], begun = +new Date(), i;
    if (!frame || button.still() || button.byId('party')) { return; }
    paper = document.createElement('canvas');
    pen = paper.getContext('2d');
    paper.id = 'party';
    paper.width = window.innerWidth;
    paper.height = window.innerHeight;
    document.body.appendChild(paper);
    for (i = 0; i < PIECES; i += 1) { pieces.push(piece(i)); }

    function draw() {
      var age = new Date() - begun, one, at, big, seconds;
      if (age > LASTS) { document.body.removeChild(paper); return; }
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, paper.width, paper.height);
      pen.globalAlpha = Math.min(1, (LASTS - age) / 1200);
      for (i = 0; i < PIECES; i += 1) {
        one = pieces[i];
        seconds = (age - one.begun) / 1000;
        if (seconds < 0) { continue; }
        at = fly(one, seconds);
        big = one.size * Math.max(paper.width, paper.height);
        pen.setTransform(1, 0, 0, 1, at.x * paper.width, at.y * paper.height);
        pen.rotate(one.turn + seconds * one.spin * 0.4);
        pen.scale(1, Math.cos(one.turn + seconds * one.spin)); // it turns over, too
        pen.fillStyle = one.colour;
        pen.fillRect(-big / 2, -big / 3, big, big * 2 / 3);
      }
      frame(draw);
    }
    frame(draw);
  };
})(window.theButton);
