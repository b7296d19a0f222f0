// A polyfill, the fallback for engines that are too old, the global `theButton`, helpers, and the theme.
// Loaded before anything is drawn. ES5.
if (!Function.prototype.bind) {
  Function.prototype.bind = function (that) {
    var call = this, first = Array.prototype.slice.call(arguments, 1);
    return function () {
      return call.apply(that, first.concat(Array.prototype.slice.call(arguments)));
    };
  };
}

window.theButton = { horns: 0 };

(function (button) {
  var root = document.documentElement;

  // A query parameter of the page, '' without a value, or null if it is missing.
  button.query = function (name) {
    var found = new RegExp('[?&]' + name + '(=([^&]*))?(&|$)').exec(location.search);
    try {
      return found ? decodeURIComponent(found[2] || '') : null;
    } catch (error) {
      return '';
    }
  };

  // Gets a preference of this browser, or sets it to `value`; null if it is not set or cannot be read.
  button.preference = function (name, value) {
    try {
      if (value === undefined) { return localStorage.getItem('theButton.' + name); }
      localStorage.setItem('theButton.' + name, value);
    } catch (error) { /* no storage, or blocked: the preference lasts until the page is closed */ }
    return null;
  };

  // Adds or removes a class of an element; works without classList.
  button.toggleClass = function (element, name, on) {
    var rest = (' ' + element.className + ' ').replace(' ' + name + ' ', ' ');
    element.className = (rest + (on ? name : '')).replace(/^ +| +$/g, '');
  };

  button.byId = function (id) { return document.getElementById(id); };

  // Works also after a browser's translation, which wraps text in additional elements.
  button.setText = function (element, text) {
    if ('textContent' in element) {
      element.textContent = text;
    } else if (element.firstChild) {
      element.firstChild.nodeValue = text;
    } else {
      element.appendChild(document.createTextNode(text));
    }
  };

  // A number with the noun of BUTTON_NOUN: '1 deal', '2 deals'.
  button.quantity = function (number) {
    var title = button.byId('title');
    return number + ' ' + title.getAttribute(number === 1 ? 'data-noun' : 'data-nouns');
  };

  // A count in words: '17 of 20 deals to go'.
  button.toGo = function (count) {
    var nouns = button.byId('title').getAttribute('data-nouns');
    return count.count + ' of ' + count.goal + ' ' + nouns + ' to go';
  };

  // A Date as HH:MM.
  button.clock = function (date) {
    return ('0' + date.getHours()).slice(-2) + ':' + ('0' + date.getMinutes()).slice(-2);
  };

  // The fallback for an engine that lacks what the pages need: the number as text, with a reload.
  function showPlainPage() {
    var ring = button.byId('ring'), body = document.body;
    if (!ring) { return; }
    body.innerHTML = '<div class="sheet narrow"><h1>' + ring.getAttribute('aria-label') +
      '</h1><p>This browser is too old for the live page: it reloads every five seconds.</p></div>';
    body.className = 'paper';
    setTimeout(function () { location.reload(); }, 5000);
  }

  if (!(window.JSON && window.XMLHttpRequest && Object.keys && [].forEach &&
      document.createElement('canvas').getContext)) {
    window.onload = showPlainPage;
  }

  // Keeps the screen on where the browser permits it: over https, and on localhost.
  button.keepAwake = function () {
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
  };

  // Hides the pointer while the mouse is idle; on a wall it would cover the number.
  button.hidePointer = function () {
    var timer = null, position = '';
    function moved(event) {
      var now = event ? event.clientX + ' ' + event.clientY : '';
      if (event && now === position) { return; } // fired by Chromium when the element under it changes
      position = now;
      button.toggleClass(root, 'unmoved', false);
      clearTimeout(timer);
      timer = setTimeout(function () { button.toggleClass(root, 'unmoved', true); }, 3000);
    }
    if (document.addEventListener) {
      document.addEventListener('mousemove', moved, false);
      moved();
    }
  };

  var theme = button.query('theme'), listeners = [];
  var system = window.matchMedia ? window.matchMedia('(prefers-color-scheme: dark)') : null;

  button.isDark = function () {
    return theme === 'dark' || (theme !== 'light' && !!system && system.matches);
  };
  // Calls `listener` when the theme changes.
  button.onThemeChange = function (listener) { listeners.push(listener); };
  button.reducedMotion = function () {
    return !!window.matchMedia && window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  };

  function applyTheme() {
    button.toggleClass(root, 'dark', button.isDark());
    for (var i = 0; i < listeners.length; i += 1) { listeners[i](); }
  }
  if (system && system.addListener) { system.addListener(applyTheme); }
  applyTheme();
})(window.theButton);
