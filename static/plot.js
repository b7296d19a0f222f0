// What every chart needs: a sharp canvas, round numbers for the axes, the colours of the theme. ES5.
(function (button) {
  var LIGHT = { text: '#3d4a63', grid: '#e4e8ee', line: '#c3ccd9', paper: '#ffffff', green: '#12803c', fill: 'rgba(35,164,85,.22)', mark: '#143c9f' };
  var DARK = { text: '#a9b7cc', grid: '#232e3f', line: '#3a475b', paper: '#141c28', green: '#2fbd67', fill: 'rgba(47,189,103,.22)', mark: '#9dbcff' };
  // Seconds between two marks of a time axis, and the least of them that is shown as hours and minutes.
  var STEPS = [0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  var FONT = '"Helvetica Neue", "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif';

  function two(number) { return ('0' + number).slice(-2); }

  // Takes `draw` on as what is to be done soon: at most every 50 ms, and never while nobody looks.
  button.painter = function (draw) {
    var EVERY = 50, last = 0, due = 0, timer = null;
    var frame = window.requestAnimationFrame || function (work) { work(); };

    function hidden() { return !!(document.hidden || document.webkitHidden); }

    function paint() {
      last = +new Date();
      draw(last);
    }

    // `pause`: ms that the drawing may wait besides, if nothing more urgent comes.
    function want(pause) {
      var now = +new Date(), at = Math.max(last + EVERY, now + (pause > 0 ? pause : 0));
      if (hidden() || (timer && due <= at)) { return; }
      clearTimeout(timer);
      due = at;
      timer = setTimeout(function () {
        timer = null;
        if (!hidden()) { frame(paint); }
      }, Math.max(0, Math.min(at - now, 60000)));
    }

    function look() { want(0); }

    if (document.addEventListener) {
      document.addEventListener('visibilitychange', look, false);
      document.addEventListener('webkitvisibilitychange', look, false);
    }
    return want;
  };

  // A value with the digits that count: four, six of thousands.
  button.figure = function (value) {
    var size = Math.abs(value);
    if (size !== 0 && (size >= 1e6 || size < 1e-3)) { return value.toExponential(2).replace(/\.?0+e/, 'e'); }
    return String(+value.toPrecision(size < 1000 ? 4 : 6));
  };

  // A time (ms since 1970) as HH:MM:SS, with ms where `step` (seconds) is below one; from a minute on HH:MM,
  // from a day on the date.
  button.moment = function (x, step) {
    if (isNaN(new Date(x))) { return ''; } // beyond the last date there is
    var when = new Date(x), text = two(when.getHours()) + ':' + two(when.getMinutes());
    if (step >= 86400) { return when.getDate() + '.' + (when.getMonth() + 1) + '.'; }
    if (step >= 60) { return text; }
    return text + ':' + two(when.getSeconds()) + (step < 1 ? '.' + ('00' + when.getMilliseconds()).slice(-3) : '');
  };

  // A chart on `canvas`: `size(width, height)` in CSS pixels; `begin(left, bottom)` clears it and returns the
  // pen, scaled, with room on two sides; then `left`, `top`, `width`, `height` are the plot's.
  button.plot = function (canvas) {
    var pen = canvas.getContext && canvas.getContext('2d'), dense = 1, full = { width: 0, height: 0 };
    var plot = { pen: pen, left: 0, top: 0, width: 0, height: 0, font: 14 };

    plot.size = function (width, height) {
      dense = Math.min(3, window.devicePixelRatio || 1);
      full = { width: Math.max(40, width), height: Math.max(40, height) };
      plot.font = Math.max(13, Math.min(40, Math.round(Math.min(width / 32, height / 15))));
      canvas.width = Math.round(full.width * dense);
      canvas.height = Math.round(full.height * dense);
      canvas.style.width = full.width + 'px';
      canvas.style.height = full.height + 'px';
    };

    plot.begin = function () {
      var look = button.dark() ? DARK : LIGHT, font = plot.font;
      pen.setTransform(dense, 0, 0, dense, 0, 0);
      pen.clearRect(0, 0, full.width, full.height);
      pen.font = font + 'px ' + FONT;
      pen.lineJoin = 'round';
      plot.left = font * 3.4;
      plot.top = font;
      plot.width = full.width - plot.left - font;
      plot.height = full.height - plot.top - font * 2;
      return look;
    };

    plot.text = function (text, x, y, align, colour) {
      pen.fillStyle = colour;
      pen.textAlign = align;
      pen.textBaseline = 'middle';
      pen.fillText(text, x, y);
    };

    plot.rule = function (x1, y1, x2, y2, colour, width) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      pen.moveTo(x1, y1);
      pen.lineTo(x2, y2);
      pen.stroke();
    };

    // The distance of round numbers for values from `low` to `high`; `whole`: none between whole ones.
    plot.step = function (low, high, whole) {
      var rough = (high - low) / Math.max(2, plot.height / (plot.font * 3));
      var ten = Math.pow(10, Math.floor(Math.log(rough) / Math.LN10)), times = rough / ten;
      var step = ten * (times > 5 ? 10 : times > 2 ? 5 : times > 1 ? 2 : 1);
      return whole ? Math.max(1, step) : step;
    };

    // Makes room on the left for these numbers.
    plot.room = function (low, high, step) {
      var wide = plot.font * 1.6, i;
      for (i = Math.ceil(low / step - 1e-6); i <= Math.floor(high / step + 1e-6); i += 1) {
        wide = Math.max(wide, pen.measureText(button.figure(i * step)).width);
      }
      plot.left = wide + plot.font;
      plot.width = full.width - plot.left - plot.font;
    };

    // Lines and numbers at these distances; `y(value)` is where one is.
    plot.values = function (low, high, step, y, look) {
      var i, last = Math.floor(high / step + 1e-6);
      for (i = Math.ceil(low / step - 1e-6); i <= last; i += 1) {
        plot.rule(plot.left, y(i * step), plot.left + plot.width, y(i * step), i === 0 ? look.line : look.grid, 1);
        plot.text(button.figure(i * step), plot.left - plot.font * 0.5, y(i * step), 'right', look.text);
      }
    };

    // Times beneath, from `from` to `to` (ms since 1970); `x(time)` is where one is.
    plot.times = function (from, to, x, look) {
      var seconds = (to - from) / 1000, most = Math.max(2, plot.width / (plot.font * 7)), step, i = 0, shift, at;
      while (i < STEPS.length - 1 && seconds / STEPS[i] > most) { i += 1; }
      step = STEPS[i] * Math.max(1, Math.ceil(seconds / STEPS[i] / most));
      shift = step >= 3600 ? new Date(from).getTimezoneOffset() * 60000 : 0; // midnight here, not in Greenwich
      for (at = Math.ceil((from - shift) / step / 1000) * step * 1000 + shift; at <= to; at += step * 1000) {
        plot.rule(x(at), plot.top, x(at), plot.top + plot.height, look.grid, 1);
        if (x(at) > plot.left + plot.width - plot.font * 1.3) { continue; } // it would be cut
        plot.text(button.moment(at, step), x(at), plot.top + plot.height + plot.font * 1.1, 'center', look.text);
      }
    };

    return plot;
  };
})(window.theButton);
