// The countdown page: the count on the cap, the horn, the words. ES5.
(function (button) {
  var byId = button.byId, body = document.body, stage = byId('stage'), number = byId('count');
  var ring = button.ring(byId('ring'));
  var shown = null, since = null, side = 0;

  function layout() {
    var width = document.documentElement.clientWidth;
    var height = window.innerHeight || document.documentElement.clientHeight;
    var top = byId('head').offsetHeight, size = Math.max(160, height - top - byId('foot').offsetHeight);
    side = Math.floor(Math.min(width, size));
    stage.style.width = stage.style.height = number.style.lineHeight = side + 'px';
    stage.style.left = Math.floor((width - side) / 2) + 'px';
    stage.style.top = Math.floor(top + (size - side) / 2) + 'px';
    stage.style.visibility = 'visible';
    fit();
    ring.resize(side);
  }

  // The number leaves air on the cap, with one digit and with four.
  function fit() {
    var share = [0.3, 0.3, 0.255, 0.19, 0.145][String(shown ? shown.count : ':(').length] || 0.145;
    number.style.fontSize = Math.floor(side * share) + 'px';
  }

  function told(count, first) {
    var before = shown;
    since = new Date();
    shown = count;
    button.setText(number, count.count);
    button.mark(body, 'done', count.count === 0);
    byId('ring').setAttribute('aria-label', button.toGo(count));
    button.showHeading(count);
    if (!before || before.goal !== count.goal) { layout(); } else { fit(); }
    ring.show(count.goal, count.goal - count.count, !first && count.cause === 'press');
    if (!first) { button.setText(byId('sentence'), button.sentence(count)); }
    if (!first && count.cause === 'press') {
      button.countFact(count);
      button.soundHorn(count.count === 0);
      if (count.count === 0) { button.celebrate(); }
    }
    fresh();
  }

  // The number is fresh while connected and told; else it is dimmed.
  function fresh() {
    var stale = byId('status').getAttribute('data-state') !== 'connected' || !shown;
    button.mark(body, 'stale', stale);
    ring.dim(stale);
  }

  button.keepAwake();
  button.hidePointer();
  layout();
  window.onresize = layout;
  button.onTheme(layout);
  button.showDelays(button.connect({
    told: told,
    info: button.showFacts,
    changed: function (state, transport) {
      button.showStatus(state, transport, since && button.clock(since));
      byId('status').title = state === 'connected' ? 'Connected: ' + transport : '';
      if (state === 'connected') { button.setText(byId('words'), 'Live'); }
      fresh();
    }
  }));
})(window.theButton);
