// The countdown page: the count on the cap, the horn, the words. ES5.
(function (button) {
  var byId = button.byId, body = document.body, stage = byId('stage'), number = byId('count');
  var ring = button.ring(byId('ring')), title = byId('title');
  var shown = null, since = null, side = 0;

  function deals(count) { return count === 1 ? '1 deal' : count + ' deals'; }

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
    var share = [0.3, 0.3, 0.255, 0.19, 0.145][String(number.firstChild.nodeValue).length] || 0.145;
    number.style.fontSize = Math.floor(side * share) + 'px';
  }

  function headline(goal) {
    var text = title.getAttribute('data-title').split('{goal}').join(goal);
    button.setText(title, text);
  }

  // The number on the cap as the tab's icon, for who has the page in the background.
  function badge(number) {
    var icon = document.createElement('canvas'), pen = icon.getContext && icon.getContext('2d'), link = byId('icon');
    if (!pen || !icon.toDataURL) { return; }
    icon.width = icon.height = 64;
    pen.beginPath();
    pen.arc(32, 32, 31, 0, Math.PI * 2, false);
    pen.fillStyle = number === 0 ? '#f4b41f' : '#1d55dd';
    pen.fill();
    pen.fillStyle = number === 0 ? '#3a2500' : '#ffffff';
    pen.font = 'bold ' + [44, 44, 38, 28, 22][String(number).length] + 'px Arial, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillText(number, 32, 34);
    try { link.href = icon.toDataURL('image/png'); } catch (error) { /* it keeps the icon it has */ }
  }

  function sentence(count) {
    if (count.cause === 'press' && count.count === 0) { return 'Goal reached.'; }
    if (count.cause === 'press' && count.count === count.goal) { return 'The next round begins: ' + deals(count.goal) + ' to go.'; }
    return deals(count.count) + ' to go.';
  }

  function told(count, first) {
    var before = shown;
    since = new Date();
    shown = count;
    button.setText(number, count.count);
    button.mark(body, 'done', count.count === 0);
    byId('ring').setAttribute('aria-label', count.count + ' of ' + count.goal + ' deals to go');
    if (!before || before.goal !== count.goal) { headline(count.goal); layout(); } else { fit(); }
    document.title = count.count + ' · ' + title.firstChild.nodeValue;
    ring.show(count.goal, count.goal - count.count, !first && count.cause === 'press');
    if (!first) { button.setText(byId('sentence'), sentence(count)); }
    badge(count.count);
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
  button.connect({
    told: told,
    info: button.showFacts,
    changed: function (state, transport) {
      button.showStatus(state, transport, since && button.clock(since));
      fresh();
    }
  });
})(window.theButton);
