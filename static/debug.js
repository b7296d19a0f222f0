// Where the time goes, for ?debug. ES5.
(function (button) {
  // A badge, for ?debug: how long a request takes, and how long after it was recorded a count came (by the
  // clocks of two machines).
  button.showDelays = function (socket) {
    if (button.query('debug') === null) { return; }
    var badge = document.createElement('p'), trip = '?', after = '?';
    badge.className = 'debug';
    document.body.appendChild(badge);
    function show() { button.setText(badge, 'round trip ' + trip + ' ms · count after ' + after + ' ms'); }
    function ask() {
      var request = new XMLHttpRequest(), begun = +new Date();
      request.open('GET', '/api/count');
      request.onreadystatechange = function () {
        if (request.readyState !== 4) { return; }
        trip = request.status === 200 ? new Date() - begun : '?';
        show();
        setTimeout(ask, 5000);
      };
      request.send(null);
    }
    socket.on('count', function (count) {
      if (count.cause !== 'connect') { after = Math.round(new Date() - count.at * 1000); show(); }
    });
    ask();
  };
})(window.theButton);
