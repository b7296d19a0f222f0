// Latency display of the countdown page, enabled with ?debug. ES5.
(function (button) {
  // With ?debug, shows a badge with the round-trip time of a request, and the delay between recording a count
  // and receiving it. The delay compares the clocks of two machines.
  button.showDelays = function (socket) {
    if (button.query('debug') === null) { return; }
    var badge = document.createElement('p'), roundTrip = '?', delay = '?';
    badge.className = 'debug';
    document.body.appendChild(badge);
    function show() {
      button.setText(badge, 'round trip ' + roundTrip + ' ms · count after ' + delay + ' ms');
    }
    function measure() {
      var request = new XMLHttpRequest(), startedAt = +new Date();
      request.open('GET', '/api/count');
      request.onreadystatechange = function () {
        if (request.readyState !== 4) { return; }
        roundTrip = request.status === 200 ? new Date() - startedAt : '?';
        show();
        setTimeout(measure, 5000);
      };
      request.send(null);
    }
    socket.on('count', function (count) {
      if (count.cause !== 'connect') {
        delay = Math.round(new Date() - count.at * 1000);
        show();
      }
    });
    measure();
  };
})(window.theButton);
