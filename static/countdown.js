// The countdown page: the count on the cap, the ring, the horn, the announcement. ES5.
(function (button) {
  var byId = button.byId, body = document.body, stage = byId('stage'), number = byId('count');
  var ring = button.ring(byId('ring'));
  var current = null, updatedAt = null, side = 0;

  function layout() {
    var width = document.documentElement.clientWidth;
    var height = window.innerHeight || document.documentElement.clientHeight;
    var top = byId('head').offsetHeight, size = Math.max(160, height - top - byId('foot').offsetHeight);
    side = Math.floor(Math.min(width, size));
    stage.style.width = stage.style.height = number.style.lineHeight = side + 'px';
    stage.style.left = Math.floor((width - side) / 2) + 'px';
    stage.style.top = Math.floor(top + (size - side) / 2) + 'px';
    stage.style.visibility = 'visible';
    fitNumber();
    ring.resize(side);
  }

  // The font size leaves a margin on the cap, for one digit and for four.
  function fitNumber() {
    var share = [0.3, 0.3, 0.255, 0.19, 0.145][String(current ? current.count : ':(').length] || 0.145;
    number.style.fontSize = Math.floor(side * share) + 'px';
  }

  function showCount(count, isFirst) {
    var previous = current;
    updatedAt = new Date();
    current = count;
    button.setText(number, count.count);
    button.toggleClass(body, 'done', count.count === 0);
    byId('ring').setAttribute('aria-label', button.toGo(count));
    button.showHeading(count);
    if (!previous || previous.goal !== count.goal) { layout(); } else { fitNumber(); }
    ring.show(count.goal, count.goal - count.count, !isFirst && count.cause === 'press');
    if (!isFirst) { button.setText(byId('sentence'), button.sentence(count)); }
    if (!isFirst && count.cause === 'press') {
      button.addToFacts(count);
      button.soundHorn(count.count === 0);
      if (count.count === 0) { button.celebrate(); }
    }
    updateStale();
  }

  // The number is dimmed before the first count and while there is no connection.
  function updateStale() {
    var stale = byId('status').getAttribute('data-state') !== 'connected' || !current;
    button.toggleClass(body, 'stale', stale);
    ring.dim(stale);
  }

  button.keepAwake();
  button.hidePointer();
  layout();
  window.onresize = layout;
  button.onThemeChange(layout);
  button.showDelays(button.connect({
    onCount: showCount,
    onInfo: button.showFacts,
    onStatus: function (state, transport) {
      button.showStatus(state, transport, updatedAt && button.clock(updatedAt));
      byId('status').title = state === 'connected' ? 'Connected: ' + transport : '';
      if (state === 'connected') { button.setText(byId('words'), 'Live'); }
      updateStale();
    }
  }));
})(window.theButton);
