// What the countdown and the graph share: the count and its number, the facts, the pointer. ES5.
(function (button) {
  var byId = button.byId, root = document.documentElement, body = document.body, number = byId('count');
  var facts = null;

  // Shows an `info` in #facts.
  function showFacts(info) {
    var text = info.today + ' today · ' + info.week + ' this week';
    facts = info;
    if (info.pressed_at !== null) {
      text += ' · last ' + button.clock(new Date(info.pressed_at * 1000));
      if (info.site) { text += ' in ' + info.site; }
    }
    button.setText(byId('facts'), text);
  }

  // Adds a press to #facts immediately; the next `info` may take ten seconds.
  function addToFacts(count) {
    if (!facts || count.cause !== 'press' || count.at <= facts.pressed_at) { return; } // already included
    if (count.count < count.goal) { // otherwise it opens a round
      facts.today += 1;
      facts.week += 1;
    }
    facts.site = null; // the next info has it
    facts.pressed_at = count.at;
    showFacts(facts);
  }

  // Keeps the screen on where the browser permits it: over https, and on localhost.
  function keepAwake() {
    function requestLock() {
      if (document.hidden) { return; }
      try {
        navigator.wakeLock.request('screen')['catch'](function () { /* denied */ });
      } catch (error) { /* not supported */ }
    }
    if (navigator.wakeLock && document.addEventListener) {
      document.addEventListener('visibilitychange', requestLock, false); // a hidden page loses the lock
      requestLock();
    }
  }

  // Hides the pointer while the mouse is idle; on a wall it would cover the number.
  function hidePointer() {
    var timer = null, position = '';
    function onMove(event) {
      var now = event ? event.clientX + ' ' + event.clientY : '';
      if (event && now === position) { return; } // fired by Chromium when the element under it changes
      position = now;
      button.toggleClass(root, 'unmoved', false);
      clearTimeout(timer);
      timer = setTimeout(function () { button.toggleClass(root, 'unmoved', true); }, 3000);
    }
    if (document.addEventListener) {
      document.addEventListener('mousemove', onMove, false);
      onMove();
    }
  }

  // Runs the page and returns its socket. The options:
  // layout(): fits the page to the window;
  // side(): the width of the ring in CSS pixels; shares: the number's font size as a share of it, by the
  // number of digits;
  // onCount(count, isFirst, isPress): after the count is shown;
  // onState(state, transport): after the status line has changed.
  button.startPage = function (options) {
    var ring = button.attempt(function () { return button.ring(byId('ring')); });
    var updatedAt = null, current = null;

    function drawRing(method, first, second, third) {
      button.attempt(function () { ring[method](first, second, third); });
    }

    // The font size leaves a margin between the number and the edge of the cap.
    function fitNumber() {
      var digits = String(current ? current.count : ':(').length;
      number.style.fontSize = Math.floor(options.side() * options.shares[digits]) + 'px';
    }

    function updateStale() {
      var stale = byId('status').getAttribute('data-state') !== 'connected' || !current;
      button.toggleClass(body, 'stale', stale);
      drawRing('dim', stale);
    }

    function layout() {
      options.layout();
      fitNumber();
      drawRing('resize', options.side());
    }

    function showCount(count, isFirst) {
      var isPress = !isFirst && count.cause === 'press', isNewGoal = !current || current.goal !== count.goal;
      updatedAt = new Date();
      current = count;
      button.setText(number, count.count);
      button.toggleClass(body, 'done', count.count === 0);
      byId('ring').setAttribute('aria-label', button.toGo(count));
      button.showHeading(count);
      if (!isFirst) {
        addToFacts(count);
        button.setText(byId('sentence'), button.sentence(count));
      }
      options.onCount(count, isFirst, isPress);
      if (isNewGoal) { layout(); } else { fitNumber(); }
      updateStale();
      drawRing('show', count.goal, count.goal - count.count, isPress);
    }

    keepAwake();
    hidePointer();
    layout();
    window.onresize = layout;
    button.onThemeChange(layout);
    return button.connect({
      onCount: showCount,
      onInfo: showFacts,
      onStatus: function (state, transport) {
        button.showStatus(state, transport, updatedAt && button.clock(updatedAt));
        if (options.onState) { options.onState(state, transport); }
        updateStale();
      }
    });
  };
})(window.theButton);
