// The countdown page: its layout, the horn, messages for presses and the goal, and confetti. ES5.
(function (button) {
  var MOMENT_DURATION = 5000; // ms for which the message for a press is shown
  var MIN_SIDE = 96; // minimum width of the ring in CSS pixels
  // Text sizes to try, as fractions of the size in the stylesheet, first on one line, then on several
  var SIZES = [1, 0.85, 0.72, 1, 0.85, 0.72, 0.6, 0.5, 0.42], BREAK_SIZE = 0.6;
  var DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
  var byId = button.byId, body = document.body, stage = byId('stage'), moment = byId('moment'), side = 0;
  var timer = null, shown = null; // the press whose message is shown

  function windowHeight() { return window.innerHeight || document.documentElement.clientHeight; }

  // Makes a text as large as possible, on one line unless it would be much smaller than on several, which may
  // take up to a fifth of the screen height.
  function fitText(element) {
    var size;
    function fits(share, i) {
      element.style.fontSize = size * share + 'px';
      return element.scrollWidth <= element.clientWidth &&
        element.offsetHeight <= (i < 3 ? size * share * 1.5 : windowHeight() / 5);
    }
    element.style.fontSize = '';
    element.style.wordWrap = 'normal';
    size = parseFloat(window.getComputedStyle(element, null).fontSize);
    // Break words that are too long.
    if (!SIZES.some(fits)) { element.style.fontSize = size * BREAK_SIZE + 'px'; }
    element.style.wordWrap = '';
  }

  function layout() {
    var width = document.documentElement.clientWidth, top, size;
    fitText(byId('title'));
    fitText(moment);
    top = byId('head').offsetHeight;
    size = Math.max(MIN_SIDE, windowHeight() - top - byId('foot').offsetHeight);
    side = Math.floor(Math.min(width, size));
    stage.style.width = stage.style.height = byId('count').style.lineHeight = side + 'px';
    stage.style.left = Math.floor((width - side) / 2) + 'px';
    stage.style.top = Math.floor(top + (size - side) / 2) + 'px';
    stage.style.visibility = 'visible';
  }

  // The time of a change, with the weekday if it was before today, or the date if it was a week ago.
  function timeOf(at) {
    var date = new Date(at * 1000), now = new Date(), clock = button.clock(date);
    if (now.toDateString() === date.toDateString()) { return clock; }
    return (now - date < 6 * 86400000 ? DAYS[date.getDay()] : date.toDateString()) + ' ' + clock;
  }

  // Shows a text in place of the title, which '' restores.
  function showMoment(text) {
    clearTimeout(timer);
    shown = null;
    button.setText(moment, text);
    button.toggleClass(body, 'moment', text !== '');
    fitText(moment);
  }

  function showPress(count, site) {
    var words = [count.count === count.goal ? 'New round' : '+1', timeOf(count.at)];
    showMoment(words.concat(site || []).join(' · '));
    shown = count;
    timer = setTimeout(function () { showMoment(''); }, MOMENT_DURATION);
  }

  function showCount(count, isFirst, isPress) {
    if (isPress) { button.soundHorn(count.count === 0); }
    if (count.count === 0) {
      showMoment('Goal reached!');
      button.setText(byId('reached'), button.quantity(count.goal) + ' · ' + timeOf(count.at));
      if (isPress) { button.attempt(button.celebrate); }
    } else if (isPress) {
      showPress(count, null);
    } else {
      showMoment('');
    }
  }

  button.showDelays(button.startPage({
    layout: layout,
    side: function () { return side; },
    shares: [0.3, 0.3, 0.255, 0.19, 0.145],
    onCount: showCount,
    onInfo: function (info) {
      if (shown && info.site && info.pressed_at >= shown.at) { showPress(shown, info.site); }
    },
    onState: function (state, transport) {
      byId('status').title = state === 'connected' ? 'Connected: ' + transport : '';
      if (state === 'connected') { button.setText(byId('words'), 'Live'); }
    }
  }));
})(window.theButton);
