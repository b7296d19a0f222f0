// The graph page: its layout, and the data from the connection for its charts. ES5.
(function (button) {
  var byId = button.byId, body = document.body, root = document.documentElement;
  var ring = button.ring(byId('ring')), updatedAt = null, current = null, isFirstBatch = true;

  // The charts fill the screen; on a narrow one they are stacked.
  function layout() {
    var width = root.clientWidth, height = window.innerHeight || root.clientHeight;
    var narrow = width < 760 || height > width, padding = narrow ? 24 : 36, free, half;
    button.toggleClass(body, 'slim', narrow);
    ring.resize(byId('mini').offsetWidth);
    fitNumber();
    // The height of everything but the charts is known only with the charts in place.
    free = height - body.offsetHeight + byId('graph').offsetHeight + byId('round').offsetHeight;
    half = narrow ? 200 : Math.max(110, Math.floor(free * 0.4));
    button.graph.resize(
      byId('live').offsetWidth - padding,
      narrow ? Math.max(220, Math.floor(height * 0.42)) : Math.max(130, free - half)
    );
    button.rounds.round.resize(byId('rounds').offsetWidth - padding, half);
    button.rounds.today.resize(byId('rounds').offsetWidth - padding, half);
    button.graph.requestDraw();
    button.rounds.requestDraw();
  }

  // The font size leaves a margin between the number and the edge of the cap.
  function fitNumber() {
    var share = [0.29, 0.29, 0.29, 0.23, 0.19][byId('count').firstChild.nodeValue.length];
    byId('count').style.fontSize = Math.floor(byId('mini').offsetWidth * share) + 'px';
  }

  function showCount(count, isFirst) {
    updatedAt = new Date();
    button.setText(byId('count'), count.count);
    fitNumber();
    byId('ring').setAttribute('aria-label', button.toGo(count));
    ring.show(count.goal, count.goal - count.count, !isFirst && count.cause === 'press');
    button.toggleClass(body, 'done', count.count === 0);
    button.showHeading(count);
    if (!isFirst) {
      button.addToFacts(count);
      button.setText(byId('sentence'), button.sentence(count));
    }
    current = count;
    button.rounds.update(count, isFirst);
    updateStale();
  }

  function updateStale() {
    var stale = byId('status').getAttribute('data-state') !== 'connected' || !current;
    button.toggleClass(body, 'stale', stale);
    ring.dim(stale);
  }

  var socket = button.connect({
    onCount: showCount,
    onInfo: button.showFacts,
    onStatus: function (state, transport) {
      button.showStatus(state, transport, updatedAt && button.clock(updatedAt));
      updateStale();
    }
  });
  var graph = socket.io.socket('/graph');
  graph.on('connect', function () { isFirstBatch = true; });
  graph.on('samples', function (event) {
    button.graph.addSamples(event, isFirstBatch);
    isFirstBatch = false;
  });

  button.graph.onLegendGrowth = layout; // a higher legend leaves less room
  button.keepAwake();
  button.hidePointer();
  layout();
  window.onresize = layout;
  button.onThemeChange(layout);
})(window.theButton);
