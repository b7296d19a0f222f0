// Functions shared by the countdown and the graph: the count, the facts, and the pointer. ES5.
(function (button) {
  var byId = button.byId, root = document.documentElement, body = document.body, number = byId('count');
  var SHIFT_INTERVAL = 60000; // ms
  // Offsets of the page, as multiples of 0.4 % of the screen's shorter side
  var SHIFTS = [[0, 0], [1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1]];
  var facts = null, shifts = 0;

  button.fit = function () { /* nothing is laid out yet */ };

  function addFact(value, text) {
    var fact = button.append(byId('facts'), 'span', '');
    fact.className = 'fact';
    button.append(fact, 'b', value);
    fact.appendChild(document.createTextNode(text));
    button.append(byId('facts'), 'i', ' · ');
  }

  // Shows an `info` event in #facts.
  function showFacts(info) {
    var line = byId('facts'), text;
    facts = info;
    button.setText(line, '');
    addFact(info.today, ' today');
    addFact(info.week, ' this week');
    if (info.pressed_at === null) {
      line.removeChild(line.lastChild);
    } else {
      text = 'last ' + button.clock(new Date(info.pressed_at * 1000));
      button.append(line, 'span', info.site ? text + ' in ' + info.site : text).className = 'last';
    }
    button.fit();
  }

  // Adds a press to #facts immediately; the next `info` can take ten seconds.
  function addToFacts(count) {
    if (!facts || count.cause !== 'press' || count.at <= facts.pressed_at) { return; } // already included
    if (count.count < count.goal) { // otherwise it starts a round
      facts.today += 1;
      facts.week += 1;
    }
    facts.site = null; // included in the next info
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

  // Moves the page slightly every minute to prevent burn-in.
  function shift() {
    var size = Math.max(1, Math.round(Math.min(root.clientWidth, root.clientHeight) * 0.004));
    var at = SHIFTS[(shifts += 1) % SHIFTS.length], i, style;
    for (i = 0; i < body.children.length; i += 1) {
      if (/^(HEADER|MAIN|FOOTER)$/.test(body.children[i].tagName)) {
        style = body.children[i].style;
        style.webkitTransform = style.transform = 'translate(' + at[0] * size + 'px,' + at[1] * size + 'px)';
      }
    }
  }

  // Calls `layout` when the pixel density changes, on zooming or on another monitor.
  function watchDensity(layout) {
    var query = window.matchMedia && window.matchMedia('(resolution: ' + window.devicePixelRatio + 'dppx)');
    if (!query || !query.addEventListener) { return; }
    query.addEventListener('change', function () {
      layout();
      watchDensity(layout);
    }, { once: true });
  }

  // Hides the pointer while the mouse is idle, since it could cover the number on a wall-mounted screen.
  // Shows the menu while the mouse moves.
  function hidePointer() {
    var timer = null, position = '';
    function onMove(event) {
      var now = event ? event.clientX + ' ' + event.clientY : '';
      if (event && now === position) { return; } // fired by Chromium when the element under it changes
      if (position || (event && event.touches)) { button.toggleClass(root, 'moved', true); }
      position = now;
      button.toggleClass(root, 'unmoved', false);
      clearTimeout(timer);
      timer = setTimeout(function () {
        button.toggleClass(root, 'unmoved', true);
        button.toggleClass(root, 'moved', false);
      }, 3000);
    }
    if (document.addEventListener) {
      document.addEventListener('mousemove', onMove, false);
      document.addEventListener('touchstart', onMove, false);
      onMove();
    }
  }

  // Runs the page and returns its socket. The options:
  // layout(): fits the page to the window
  // side(): returns the width of the ring in CSS pixels
  // shares: font sizes of the number as fractions of that width, indexed by the number of digits
  // onCount(count, isFirst, isPress): called after the count is shown
  // onInfo(info), onState(state, transport): called after the facts or the status line are updated
  button.startPage = function (options) {
    var ring = button.attempt(function () { return button.ring(byId('ring')); });
    var updatedAt = null, current = null, fitted = '';

    function drawRing(method, first, second, third) {
      button.attempt(function () { ring[method](first, second, third); });
    }

    // Sets a font size that leaves a margin between the number and the edge of the cap.
    function fitNumber() {
      var digits = String(current ? current.count : ':(').length;
      number.style.fontSize = Math.floor(options.side() * options.shares[digits]) + 'px';
    }

    function updateStale() {
      var stale = byId('status').getAttribute('data-state') !== 'connected' || !current;
      button.toggleClass(body, 'stale', stale);
      drawRing('dim', stale);
    }

    // The heights that the layout depends on.
    function heights() { return byId('head').offsetHeight + ' ' + byId('foot').offsetHeight; }

    function layout() {
      options.layout();
      fitNumber();
      drawRing('resize', options.side());
      fitted = heights();
    }

    // Lays out the page again if the text above or below the ring has changed in height.
    button.fit = function () {
      if (heights() !== fitted) { layout(); }
    };

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
      button.fit();
      updateStale();
      drawRing('show', count.goal, count.goal - count.count, isPress);
    }

    keepAwake();
    hidePointer();
    watchDensity(layout);
    if (document.fonts && document.fonts.ready) { document.fonts.ready.then(layout); }
    setInterval(shift, SHIFT_INTERVAL);
    layout();
    window.onresize = layout;
    button.onThemeChange(layout);
    return button.connect({
      onCount: showCount,
      onInfo: function (info) {
        showFacts(info);
        if (options.onInfo) { options.onInfo(info); }
      },
      onStatus: function (state, transport) {
        button.showStatus(state, transport, updatedAt && button.clock(updatedAt));
        if (options.onState) { options.onState(state, transport); }
        updateStale();
        button.fit();
      }
    });
  };
})(window.theButton);
