// What the oldest engines lack, the one global, and the theme: before anything is drawn. ES5.
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

  // ?name=value of the page's address, '' without a value, or null.
  button.query = function (name) {
    var found = new RegExp('[?&]' + name + '(=([^&]*))?(&|$)').exec(location.search);
    try { return found ? decodeURIComponent(found[2] || '') : null; } catch (error) { return ''; }
  };

  // What this browser remembers, if it remembers anything.
  button.remember = function (name, value) {
    try {
      if (value === undefined) { return localStorage.getItem('theButton.' + name); }
      localStorage.setItem('theButton.' + name, value);
    } catch (error) { /* no storage, or none allowed: the setting lasts as long as the page */ }
    return null;
  };

  // Adds a class to an element, or takes it away; works without classList.
  button.mark = function (element, name, on) {
    var rest = (' ' + element.className + ' ').replace(' ' + name + ' ', ' ');
    element.className = (rest + (on ? name : '')).replace(/^ +| +$/g, '');
  };

  button.byId = function (id) { return document.getElementById(id); };

  // Also after a browser's translation, which wraps what it translates in elements of its own.
  button.setText = function (element, text) {
    if ('textContent' in element) { element.textContent = text; } else if (element.firstChild) {
      element.firstChild.nodeValue = text;
    } else { element.appendChild(document.createTextNode(text)); }
  };

  // What is counted: '1 deal', '2 deals'; of the server's noun.
  button.nouns = function (number) {
    var title = button.byId('title');
    return number + ' ' + title.getAttribute(number === 1 ? 'data-noun' : 'data-nouns');
  };

  // A count in words: '17 of 20 deals to go'.
  button.toGo = function (count) {
    return count.count + ' of ' + count.goal + ' ' + button.byId('title').getAttribute('data-nouns') + ' to go';
  };

  // A moment (a Date) as HH:MM.
  button.clock = function (date) {
    return ('0' + date.getHours()).slice(-2) + ':' + ('0' + date.getMinutes()).slice(-2);
  };

  // An engine without what the pages are made of shows the number as one without scripts does.
  function plain() {
    var ring = button.byId('ring'), body = document.body;
    if (!ring) { return; }
    body.innerHTML = '<div class="sheet narrow"><h1>' + ring.getAttribute('aria-label') + '</h1><p>This browser is too old for the live page: it reloads every five seconds.</p></div>';
    body.className = 'paper';
    setTimeout(function () { location.reload(); }, 5000);
  }

  if (!(window.JSON && window.XMLHttpRequest && Object.keys && [].forEach && document.createElement('canvas').getContext)) {
    window.onload = plain;
  }

  // Keeps the screen on, where the browser lets a page do so (over https, and on the machine itself).
  button.keepAwake = function () {
    function ask() {
      if (document.hidden) { return; }
      try { navigator.wakeLock.request('screen')['catch'](function () { /* refused: then it is not to be */ }); } catch (error) { /* none */ }
    }
    if (navigator.wakeLock && document.addEventListener) {
      document.addEventListener('visibilitychange', ask, false); // it is lost while nobody looks
      ask();
    }
  };

  // Hides the pointer while nobody moves it: on a wall it would stay in the number's way.
  button.hidePointer = function () {
    var timer = null, at = '';
    function moved(event) {
      var now = event ? event.clientX + ' ' + event.clientY : '';
      if (event && now === at) { return; } // Chromium says so, too, when what is under the pointer changes
      at = now;
      button.mark(root, 'unmoved', false);
      clearTimeout(timer);
      timer = setTimeout(function () { button.mark(root, 'unmoved', true); }, 3000);
    }
    if (document.addEventListener) {
      document.addEventListener('mousemove', moved, false);
      moved();
    }
  };

  // Calls `draw` when the theme changes; `button.dark()` tells it.
  var wish = button.query('theme'), listeners = [];
  var system = window.matchMedia ? window.matchMedia('(prefers-color-scheme: dark)') : null;

  button.dark = function () {
    return wish === 'dark' || (wish !== 'light' && !!system && system.matches);
  };
  button.onTheme = function (draw) { listeners.push(draw); };
  button.still = function () {
    return !!window.matchMedia && window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  };

  function paint() {
    button.mark(root, 'dark', button.dark());
    for (var i = 0; i < listeners.length; i += 1) { listeners[i](); }
  }
  if (system && system.addListener) { system.addListener(paint); }
  paint();
})(window.theButton);
