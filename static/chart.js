// Functions shared by the charts: a sharp canvas, axes with round numbers, number formats. ES5.
(function (button) {
  // Possible steps of a time axis in seconds.
  var STEPS = [
    0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10800, 21600, 43200, 86400
  ];
  var FONT = 'Inter, "Helvetica Neue", "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif';
  var PREFIXES = [[1e12, ' T'], [1e9, ' G'], [1e6, ' M']];
  var LABEL_SIZE = 0.85; // relative to the text around the chart
  var MIN_INTERVAL = 50; // minimum ms between two redraws
  var UNITS = [[864e5, ' d'], [36e5, ' h'], [6e4, ' min'], [1e3, ' s']]; // of durations, with their ms
  // A pause in a series is a gap if it exceeds GAP times the median interval, and MIN_GAP ms.
  var GAP = 4, MIN_GAP = 1000;

  function pad(number) { return ('0' + number).slice(-2); }

  // Returns `requestDraw(delay)`, which schedules draw(now) at most once per MIN_INTERVAL, and never on a
  // hidden page.
  button.throttle = function (draw) {
    var last = 0, due = 0, timer = null;
    var nextFrame = window.requestAnimationFrame || function (callback) { callback(); };

    function isHidden() { return document.hidden || document.webkitHidden; }

    function paint() {
      last = +new Date();
      draw(last);
    }

    // Schedules a redraw in `delay` ms (default 0) unless an earlier one is already scheduled.
    function requestDraw(delay) {
      var now = +new Date(), at = Math.max(last + MIN_INTERVAL, now + (delay > 0 ? delay : 0));
      if (isHidden() || (timer && due <= at)) { return; }
      clearTimeout(timer);
      due = at;
      timer = setTimeout(function () {
        timer = null;
        if (!isHidden()) { nextFrame(paint); }
      }, Math.max(0, Math.min(at - now, 60000)));
    }

    if (document.addEventListener) { // an event passed as `delay` counts as 0
      document.addEventListener('visibilitychange', requestDraw, false);
      document.addEventListener('webkitvisibilitychange', requestDraw, false);
    }
    return requestDraw;
  };

  // A value with `digits` significant digits (default 4, or 6 from 1,000): 12.8 M, 1.23e-5.
  button.formatNumber = function (value, digits) {
    var size = Math.abs(value), i;
    if (size !== 0 && (size >= 1e15 || size < 1e-3)) { return value.toExponential(2).replace(/\.?0+e/, 'e'); }
    for (i = 0; i < PREFIXES.length; i += 1) {
      if (size >= PREFIXES[i][0]) {
        return +(value / PREFIXES[i][0]).toPrecision(digits || 4) + PREFIXES[i][1];
      }
    }
    return String(+value.toPrecision(digits || (size < 1000 ? 4 : 6)));
  };

  // The largest unit of which a duration has at least two.
  button.unitOf = function (ms) {
    var i = 0;
    while (i < 3 && ms < 2 * UNITS[i][0]) { i += 1; }
    return UNITS[i];
  };

  // A duration in a single unit: '12 s'.
  button.formatAge = function (ms) {
    var unit = button.unitOf(ms);
    return Math.floor(ms / unit[0]) + unit[1];
  };

  // A duration in its two largest units: '2 h 5 min'.
  button.formatDuration = function (ms) {
    var i = 0, rest;
    while (i < 3 && ms < UNITS[i][0]) { i += 1; }
    rest = i < 3 && Math.floor(ms % UNITS[i][0] / UNITS[i + 1][0]);
    return Math.floor(ms / UNITS[i][0]) + UNITS[i][1] + (rest ? ' ' + rest + UNITS[i + 1][1] : '');
  };

  // A time (ms since 1970) as an axis label. Its format depends on the step of the axis in seconds: HH:MM:SS
  // (with ms for steps below 1 s), HH:MM from a minute, the date from a day.
  button.formatTime = function (time, step) {
    var date = new Date(time), text = pad(date.getHours()) + ':' + pad(date.getMinutes());
    if (isNaN(date)) { return ''; } // outside the range of Date
    if (step >= 86400) { return date.getDate() + '.' + (date.getMonth() + 1) + '.'; }
    if (step >= 60) { return text; }
    text += ':' + pad(date.getSeconds());
    return step < 1 ? text + '.' + ('00' + date.getMilliseconds()).slice(-3) : text;
  };

  // Reduces `points` ([x, y]) to the newest one, and the lowest and highest in each of `columns` equal
  // intervals of time.
  button.thin = function (points, columns) {
    var last = points.length - 1, from = points[0][0], width = (points[last][0] - from) / columns || 1;
    var result = [], column = 0, low = 0, high = 0, i, at;

    function keep() {
      result.push(points[Math.min(low, high)]);
      if (low !== high) { result.push(points[Math.max(low, high)]); }
    }

    for (i = 1; i < last; i += 1) {
      at = Math.floor((points[i][0] - from) / width);
      if (at !== column) {
        keep();
        column = at;
        low = high = i;
      }
      if (points[i][1] < points[low][1]) { low = i; }
      if (points[i][1] > points[high][1]) { high = i; }
    }
    keep();
    if (last) { result.push(points[last]); }
    return result;
  };

  // The points of a series, split at pauses that are much longer than usual.
  button.runs = function (points) {
    var pauses = [], result = [[points[0]]], max = Infinity, i;
    for (i = 1; i < points.length; i += 1) { pauses.push(points[i][0] - points[i - 1][0]); }
    if (pauses.length > 3 && Math.max.apply(null, pauses) > MIN_GAP) {
      max = pauses.slice().sort(function (a, b) { return a - b; })[pauses.length >> 1];
      max = Math.max(MIN_GAP, GAP * max);
    }
    for (i = 1; i < points.length; i += 1) {
      if (pauses[i - 1] > max) { result.push([]); }
      result[result.length - 1].push(points[i]);
    }
    return result;
  };

  // A chart on `canvas`. resize(width, height) sets its size in CSS pixels. begin() clears it, sets `left`,
  // `top`, `width` and `height` to the area within the axes, and returns the colours. `unit` is appended to
  // the numbers on the value axis.
  button.plot = function (canvas) {
    var ctx = canvas.getContext && canvas.getContext('2d'), pixelRatio = 1, size = { width: 0, height: 0 };
    var plot = { ctx: ctx, left: 0, top: 0, width: 0, height: 0, font: 14, unit: '' };

    plot.resize = function (width, height) {
      pixelRatio = Math.min(3, window.devicePixelRatio || 1);
      size = { width: Math.max(40, width), height: Math.max(40, height) };
      plot.font = LABEL_SIZE * parseFloat(window.getComputedStyle(canvas.parentNode, null).fontSize);
      canvas.width = Math.round(size.width * pixelRatio);
      canvas.height = Math.round(size.height * pixelRatio);
      canvas.style.width = size.width + 'px';
      canvas.style.height = size.height + 'px';
    };

    plot.begin = function () {
      var theme = button.colours(), font = plot.font;
      ctx.setTransform(pixelRatio, 0, 0, pixelRatio, 0, 0);
      ctx.clearRect(0, 0, size.width, size.height);
      ctx.font = font + 'px ' + FONT;
      ctx.lineJoin = 'round';
      plot.left = font * 3.4;
      plot.top = font * 1.3;
      plot.width = size.width - plot.left - font;
      plot.height = size.height - plot.top - font * 2;
      return theme;
    };

    plot.text = function (text, x, y, align, colour) {
      ctx.fillStyle = colour;
      ctx.textAlign = align;
      ctx.textBaseline = 'middle';
      ctx.fillText(text, x, y);
    };

    plot.line = function (x1, y1, x2, y2, colour, width) {
      ctx.strokeStyle = colour;
      ctx.lineWidth = width;
      ctx.beginPath();
      ctx.moveTo(x1, y1);
      ctx.lineTo(x2, y2);
      ctx.stroke();
    };

    // A round step for an axis from `low` to `high`, an integer if `isInteger`.
    plot.step = function (low, high, isInteger) {
      var rough = (high - low) / Math.max(2, plot.height / (plot.font * 3));
      var power = Math.pow(10, Math.floor(Math.log(rough) / Math.LN10)), times = rough / power;
      var step = power * (times > 5 ? 10 : times > 2 ? 5 : times > 1 ? 2 : 1);
      return isInteger ? Math.max(1, step) : step;
    };

    function label(value) { return button.formatNumber(value, 6) + plot.unit; }

    // Reserves space for the numbers on the value axis.
    plot.fitLabels = function (low, high, step) {
      var width = plot.font * 1.6, i;
      for (i = Math.ceil(low / step - 1e-6); i <= Math.floor(high / step + 1e-6); i += 1) {
        width = Math.max(width, ctx.measureText(label(i * step)).width);
      }
      plot.left = width + plot.font;
      plot.width = size.width - plot.left - plot.font;
    };

    // Draws the value axis and its grid lines. y(value) returns the position of a value.
    plot.valueAxis = function (low, high, step, y, theme) {
      var i, last = Math.floor(high / step + 1e-6), left = plot.left, at;
      for (i = Math.ceil(low / step - 1e-6); i <= last; i += 1) {
        at = y(i * step);
        plot.line(left, at, left + plot.width, at, i === 0 ? theme.axis : theme.line, 1);
        plot.text(label(i * step), left - plot.font * 0.5, at, 'right', theme.muted);
      }
    };

    // Draws the time axis from `from` to `to` (ms since 1970). x(time) returns the position of a time.
    plot.timeAxis = function (from, to, x, theme) {
      var seconds = (to - from) / 1000, maxLabels = Math.max(2, plot.width / (plot.font * 7));
      var bottom = plot.top + plot.height, step, i = 0, offset, at;
      while (i < STEPS.length - 1 && seconds / STEPS[i] > maxLabels) { i += 1; }
      step = STEPS[i] * Math.max(1, Math.ceil(seconds / STEPS[i] / maxLabels));
      offset = step >= 3600 ? new Date(from).getTimezoneOffset() * 60000 : 0; // local midnight, not UTC
      at = Math.ceil((from - offset) / step / 1000) * step * 1000 + offset;
      for (; at <= to; at += step * 1000) {
        plot.line(x(at), plot.top, x(at), bottom, theme.line, 1);
        if (x(at) > plot.left + plot.width - plot.font * 1.3) { continue; } // the label would be cut off
        plot.text(button.formatTime(at, step), x(at), bottom + plot.font * 1.1, 'center', theme.muted);
      }
    };

    return plot;
  };
})(window.theButton);
