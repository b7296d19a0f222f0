// The live chart: each series' samples of the last ten seconds, or its newest hundred if that is more. ES5.
(function (button) {
  var MAX_SAMPLES = 100, MAX_SERIES = 16; // the server's limits
  var MIN_SPAN = 5000; // minimum length of the time axis in ms until a series is full
  var MIN_FULL_SPAN = 100; // minimum length once it is full
  // ms, or three intervals, without a sample after which a series no longer moves the time axis
  var LIVE_TIMEOUT = 10000;
  var MIN_SCROLL = 1500; // ms, or two intervals, by which the axis scrolls past the newest sample
  var KEPT = 10000; // ms for which samples are kept even if they exceed MAX_SAMPLES
  var MAX_COLUMNS = 1000; // columns to which a fast series is reduced, each with a minimum and a maximum
  var MARKERS = ['●', '■', '▲', '◆'];
  var byId = button.byId, canvas = byId('graph'), plot = button.plot(canvas), legend = byId('legend');
  // The series, least recently updated first. `slot` selects the colour and marker. `updatedAt` is the
  // arrival time of the newest samples. `delay` is the ms from their timestamp to their arrival, null for
  // samples sent on connect. `shift` is the ms that align() adds to timestamps. `row`, `mark` and `value` are
  // elements of the legend.
  var items = [];
  var onLegendGrowth = null, received = false;
  var pointer = null, touchedAt = 0, label = '', labelTimer = null, legendHeight = 0;

  function colour(item) { return button.colours().series[item.slot % 8]; }
  function marker(item) { return MARKERS[(item.slot + Math.floor(item.slot / 8)) % 4]; }

  // Returns the series with this name and makes it the most recently updated one. A new series gets the
  // lowest free slot. If there are already MAX_SERIES, it replaces the least recently updated one.
  function getSeries(name) {
    var used = {}, slot = 0, i, item;
    for (i = 0; i < items.length; i += 1) {
      used[items[i].slot] = true;
      if (items[i].name === name) {
        items.push(items.splice(i, 1)[0]);
        return items[items.length - 1];
      }
    }
    if (items.length === MAX_SERIES) {
      item = items.shift();
      legend.removeChild(item.row);
      used[item.slot] = false;
    }
    while (used[slot]) { slot += 1; }
    item = { name: name, slot: slot, points: [], updatedAt: 0, delay: null, shift: 0 };
    item.row = button.append(legend, 'li', '');
    item.mark = button.append(item.row, 'i', marker(item));
    button.append(item.row, 'span', name);
    item.value = button.append(item.row, 'b', '–');
    items.push(item);
    return item;
  }

  // Adds samples to a series, whose points are [x, y, arrival]. Keeps the newest MAX_SAMPLES and those that
  // arrived within KEPT. If these are too many, only the lowest and highest in each pixel column are kept.
  function append(item, samples, now) {
    var points = item.points, i = 0;
    var columns = Math.round(Math.max(MAX_SAMPLES, Math.min(MAX_COLUMNS, plot.width)));
    samples.forEach(function (sample) { points.push([sample[0], sample[1], now]); });
    while (points.length - i > MAX_SAMPLES && now - points[i][2] > KEPT) { i += 1; }
    points.splice(0, i);
    if (points.length > 3 * columns) { item.points = button.thin(points, columns).slice(-3 * columns); }
  }

  // Adds samples. The first ones after a connect replace all existing ones.
  function addSamples(event, isFirst) {
    received = true;
    if (isFirst) {
      items = [];
      legend.innerHTML = '';
      legendHeight = 0;
    }
    Object.keys(event.series).forEach(function (name) {
      var item = getSeries(name);
      item.updatedAt = +new Date();
      append(item, event.series[name], item.updatedAt);
      item.delay = isFirst ? null : item.updatedAt - newest(item)[0];
    });
    requestDraw();
  }

  function newest(item) { return item.points[item.points.length - 1]; }
  function spanOf(item) {
    var min = item.points.length >= MAX_SAMPLES ? MIN_FULL_SPAN : MIN_SPAN;
    return Math.max(min, newest(item)[0] - item.points[0][0]);
  }

  function isLive(item, now) {
    return now - item.updatedAt < Math.max(LIVE_TIMEOUT, 3 * spanOf(item) / item.points.length);
  }

  // The time of a sample on the axis.
  function timeOf(item, point) { return point[0] + item.shift; }

  // Publishers' clocks differ, and some devices have none. A live series that would be out of view is shifted
  // to the clock of the series with the smallest delay. A shift that is nearly right is kept to avoid jumps.
  function align(live, span) {
    var min = Infinity, i, item, shift;
    for (i = 0; i < live.length; i += 1) {
      if (live[i].delay !== null) { min = Math.min(min, live[i].delay); }
    }
    for (i = 0; i < live.length; i += 1) {
      item = live[i];
      shift = item.delay === null ? 0 : item.delay - min;
      if (shift < span / 2) {
        item.shift = 0;
      } else if (Math.abs(item.shift - shift) > span / 20) {
        item.shift = shift;
      }
    }
  }

  // The current range of the time axis. `delay` is the ms until it moves by a pixel, 0 if it does not move.
  function view(now) {
    var to = -1, span = 0, moving = false, still = button.reducedMotion(), live = [];
    var i, item, itemSpan, ahead, maxAhead;
    for (i = 0; i < items.length; i += 1) {
      item = items[i];
      if (isLive(item, now)) { live.push(item); }
    }
    if (!live.length) { live = items; }
    for (i = 0; i < live.length; i += 1) {
      item = live[i];
      itemSpan = spanOf(item);
      // At most a quarter of the axis, so that no line moves out of view.
      maxAhead = Math.min(Math.max(MIN_SCROLL, 2 * itemSpan / item.points.length), itemSpan / 4);
      ahead = still ? 0 : Math.max(0, Math.min(maxAhead, now - item.updatedAt));
      moving = moving || (ahead < maxAhead && !still);
      to = Math.max(to, newest(item)[0] + ahead);
      span = Math.max(span, itemSpan);
    }
    align(live, span);
    return { from: to - span, to: to, delay: moving ? span / plot.width : 0 };
  }

  function inView(time, range) { return time >= range.from && time <= range.to; }
  // The range of the value axis: 0 to 5 if the samples in view fit and use at least a tenth of it, otherwise
  // a range that includes 0 and ends at round numbers.
  function valueRange(range) {
    var low = 0, high = 0, i, j, points, step;
    for (i = 0; i < items.length; i += 1) {
      points = items[i].points;
      for (j = 0; j < points.length; j += 1) {
        if (inView(timeOf(items[i], points[j]), range)) {
          low = Math.min(low, points[j][1]);
          high = Math.max(high, points[j][1]);
        }
      }
    }
    if (low === 0 && (high === 0 || (high >= 0.5 && high <= 5))) { high = 5; }
    step = Math.max(high, -low) > 1e300 ? 0 : plot.step(low, high); // 0 (no axis) where it would overflow
    if (step) {
      low = Math.floor(low / step) * step;
      high = high === 5 ? 5 : Math.ceil(high / step) * step;
    }
    return { low: low, high: high, step: step };
  }

  // The sample of a series nearest to a time, or null if none is in view.
  function nearest(item, time, range) {
    var best = null, i, at, min = Infinity;
    for (i = 0; i < item.points.length; i += 1) {
      at = timeOf(item, item.points[i]);
      if (inView(at, range) && Math.abs(at - time) <= min) {
        best = item.points[i];
        min = Math.abs(at - time);
      }
    }
    return best;
  }

  // Draws a series, and fills the area below its line if it is the only one.
  function drawSeries(item, x, y) {
    var ctx = plot.ctx;
    ctx.strokeStyle = ctx.fillStyle = colour(item);
    ctx.lineWidth = Math.max(2, plot.font / 6);
    button.runs(item.points).forEach(function (points) {
      var first = x(timeOf(item, points[0])), last = x(timeOf(item, points[points.length - 1]));
      ctx.beginPath();
      ctx.moveTo(first - 1, y(points[0][1])); // so that a single sample is visible as a dot
      points.forEach(function (point) { ctx.lineTo(x(timeOf(item, point)), y(point[1])); });
      ctx.stroke();
      if (items.length > 1) { return; }
      ctx.lineTo(last, y(0));
      ctx.lineTo(first, y(0));
      ctx.closePath();
      ctx.globalAlpha = 0.16;
      ctx.fill();
      ctx.globalAlpha = 1;
    });
  }

  function drawMarker(item, point, x, y) {
    if (point) { plot.text(marker(item), x(timeOf(item, point)), y(point[1]), 'center', colour(item)); }
  }

  // Shows the values at `time` in the legend, or the newest ones if `time` is null.
  function updateLegend(range, time) {
    var words = [], now = +new Date(), i, item, point, value, shift;
    for (i = 0; i < items.length; i += 1) {
      item = items[i];
      point = time === null ? newest(item) : nearest(item, time, range);
      item.mark.style.color = colour(item);
      value = point && button.formatNumber(point[1]);
      shift = item.shift ? ' (' + button.formatAge(item.shift) + ' behind)' : '';
      if (!isLive(item, now)) { shift += ' · ' + button.formatAge(now - item.updatedAt) + ' ago'; }
      button.setText(item.value, (value || '–') + shift);
      words.push(item.name + ' ' + (value || 'nothing') + shift);
    }
    // The page is laid out again only if the legend grows, since values change often.
    if (legend.offsetHeight > legendHeight) {
      legendHeight = legend.offsetHeight;
      onLegendGrowth();
    }
    label = 'Live values: ' + (words.join(', ') || 'none yet');
    labelTimer = labelTimer || setTimeout(function () {
      labelTimer = null;
      canvas.setAttribute('aria-label', label);
    }, 1000);
  }

  // Shows how to publish a value while there is none.
  function showEmpty(empty) {
    button.toggleClass(byId('waiting'), 'unseen', items.length > 0);
    if (byId('example').hidden !== empty) { return; }
    byId('example').hidden = !empty;
    button.toggleClass(document.body, 'empty', empty);
    onLegendGrowth();
  }

  function draw(now) {
    var ctx = plot.ctx, range, values, k, x, y, time = null, i, bottom, at;
    if (!ctx) { return; }
    showEmpty(received && !items.length);
    var theme = plot.begin();
    range = items.length ? view(now) : { from: now - MIN_SPAN, to: now, delay: 0 };
    values = valueRange(range);
    k = values.step ? 1 : 1e-10; // scaled down, since the difference of two huge doubles can overflow
    x = function (ms) { return plot.left + (ms - range.from) / (range.to - range.from) * plot.width; };
    y = function (value) {
      return plot.top + (values.high * k - value * k) / (values.high * k - values.low * k) * plot.height;
    };
    if (values.step) { plot.fitLabels(values.low, values.high, values.step); }
    plot.timeAxis(range.from, range.to, x, theme);
    if (values.step) { plot.valueAxis(values.low, values.high, values.step, y, theme); }
    bottom = plot.top + plot.height;
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.left, 0, plot.width + plot.font, bottom);
    ctx.clip();
    for (i = 0; i < items.length; i += 1) { drawSeries(items[i], x, y); }
    if (pointer !== null && items.length) {
      time = range.from + (pointer - plot.left) / plot.width * (range.to - range.from);
      time = Math.max(range.from, Math.min(range.to, time));
      plot.line(x(time), plot.top, x(time), bottom, theme.muted, 1);
    }
    for (i = 0; i < items.length; i += 1) {
      drawMarker(items[i], time === null ? newest(items[i]) : nearest(items[i], time, range), x, y);
    }
    ctx.restore();
    if (time !== null) {
      at = Math.min(plot.left + plot.width - 3 * plot.font, x(time));
      at = Math.max(plot.left + 4 * plot.font, at);
      plot.text(button.formatTime(time, 1), at, plot.font * 0.6, 'center', theme.muted);
    }
    updateLegend(range, time);
    if (range.delay) { requestDraw(range.delay); }
    if (items.length) { requestDraw(1000); } // a series may have stalled
  }

  var requestDraw = button.throttle(draw);

  function onPointer(event) {
    var source = event || window.event, touch = source.touches && source.touches[0];
    if (!touch && new Date() - touchedAt < 1000) { return; } // emulated after a touch
    pointer = (touch || source).clientX - canvas.getBoundingClientRect().left;
    requestDraw();
  }

  function onLeave(event) {
    if (event && /^touch/.test(event.type)) { touchedAt = +new Date(); }
    pointer = null;
    requestDraw();
  }

  canvas.onmousemove = canvas.ontouchstart = canvas.ontouchmove = onPointer;
  canvas.onmouseout = canvas.ontouchend = canvas.ontouchcancel = onLeave;
  function resize(width, height) {
    legendHeight = legend.offsetHeight; // already included in the layout
    plot.resize(width, height);
    requestDraw();
  }

  button.liveChart = {
    addSamples: addSamples,
    resize: resize,
    draw: draw, // immediately
    // Calls `listener` when the legend grows.
    onLegendGrowth: function (listener) { onLegendGrowth = listener; }
  };
})(window.theButton);
