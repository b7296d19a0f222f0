// The graph page: its layout, and what the connection brings to the charts on it. ES5.
(function (button) {
  var byId = button.byId, body = document.body, root = document.documentElement;
  var ring = button.ring(byId('ring')), since = null, shown = null, fresh = true;

  // The charts fill the screen; where it is narrow they stand one above the other.
  function layout() {
    var width = root.clientWidth, height = window.innerHeight || root.clientHeight;
    var narrow = width < 760 || height > width, air = narrow ? 24 : 36, free, half;
    button.mark(body, 'slim', narrow);
    ring.resize(byId('mini').offsetWidth);
    fit();
    // What all but the charts takes is known once they are there.
    free = height - body.offsetHeight + byId('graph').offsetHeight + byId('round').offsetHeight;
    half = narrow ? 200 : Math.max(110, Math.floor(free * 0.4));
    button.graph.size(byId('live').offsetWidth - air, narrow ? Math.max(220, Math.floor(height * 0.42)) : Math.max(130, free - half));
    button.rounds.round.size(byId('rounds').offsetWidth - air, half);
    button.rounds.today.size(byId('rounds').offsetWidth - air, half);
    button.graph.want();
    button.rounds.want();
  }

  // The number leaves air on the cap.
  function fit() {
    var share = [0.29, 0.29, 0.29, 0.23, 0.19][byId('count').firstChild.nodeValue.length];
    byId('count').style.fontSize = Math.floor(byId('mini').offsetWidth * share) + 'px';
  }

  function told(count, first) {
    since = new Date();
    button.setText(byId('count'), count.count);
    fit();
    byId('ring').setAttribute('aria-label', button.toGo(count));
    ring.show(count.goal, count.goal - count.count, !first && count.cause === 'press');
    button.mark(body, 'done', count.count === 0);
    button.showHeading(count);
    if (!first) { button.countFact(count); button.setText(byId('sentence'), button.sentence(count)); }
    shown = count;
    button.rounds.take(count, first);
    dim();
  }

  function dim() {
    var stale = byId('status').getAttribute('data-state') !== 'connected' || !shown;
    button.mark(body, 'stale', stale);
    ring.dim(stale);
  }

  var socket = button.connect({
    told: told,
    info: button.showFacts,
    changed: function (state, transport) {
      button.showStatus(state, transport, since && button.clock(since));
      dim();
    }
  });
  var graph = socket.io.socket('/graph');
  graph.on('connect', function () { fresh = true; });
  graph.on('samples', function (event) {
    button.graph.take(event, fresh);
    fresh = false;
  });

  button.graph.grown = layout; // the legend, so there is less room
  button.keepAwake();
  button.hidePointer();
  layout();
  window.onresize = layout;
  button.onTheme(layout);
})(window.theButton);
