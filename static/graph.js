// The live graph: the newest hundred samples of each series, drawn as they come. ES5.
(function (button) {
  var MOST = 100, MOST_SERIES = 16;
  var LEAST_SPAN = 5000; // ms that the time axis spans at least, until a series is full
  var FULL_SPAN = 100; // ms that it spans at least then
  var LIVE = 10000; // ms without a sample after which a series no longer moves the axis, or three intervals
  var SCROLL = 1500; // ms that the axis runs on after the newest sample at least
  var COLOURS = {
    light: ['#1d55dd', '#12803c', '#b45309', '#a21caf', '#b91c1c', '#0e7490', '#4d5a72', '#6d28d9'],
    dark: ['#7ea4ff', '#34c26f', '#f4b41f', '#e879f9', '#ff8a8a', '#38c6dd', '#b7c4d8', '#b197fc']
  };
  var MARKERS = ['●', '■', '▲', '◆'];
  var byId = button.byId, canvas = byId('graph'), plot = button.plot(canvas), legend = byId('legend');
  var all = [], pointer = null, touched = 0, label = '', labelling = null, high = 0; // all: {name, slot, points, at, late, shift, value}

  function find(name) {
    for (var i = 0; i < all.length; i += 1) { if (all[i].name === name) { return all[i]; } }
    return null;
  }

  // The series of that name, which is now the one that was heard last; a new one gets the lowest free
  // place, if need be of the one silent longest, which is the first of `all`.
  function series(name) {
    var found = find(name), taken = {}, slot = 0, i;
    if (found) {
      for (i = 0; all[i] !== found; i += 1) { /* its place */ }
      all.push(all.splice(i, 1)[0]);
      return found;
    }
    if (all.length === MOST_SERIES) { legend.removeChild(all.shift().row); }
    for (i = 0; i < all.length; i += 1) { taken[all[i].slot] = true; }
    while (taken[slot]) { slot += 1; }
    found = { name: name, slot: slot, points: [], at: 0, late: null, shift: 0, row: document.createElement('li') };
    found.mark = document.createElement('i');
    found.value = document.createElement('b');
    button.setText(found.mark, MARKERS[(slot + Math.floor(slot / 8)) % 4]);
    button.setText(found.value, '–');
    found.row.appendChild(found.mark);
    found.label = document.createElement('span');
    button.setText(found.label, name);
    found.row.appendChild(found.label);
    found.row.appendChild(found.value);
    legend.appendChild(found.row);
    all.push(found);
    return found;
  }

  function colour(one) { return COLOURS[button.dark() ? 'dark' : 'light'][one.slot % 8]; }

  // Takes samples, `first` after a connect.
  function take(event, first) {
    var name, one, points;
    if (first) { all = []; legend.innerHTML = ''; high = 0; }
    for (name in event.series) {
      if (Object.prototype.hasOwnProperty.call(event.series, name)) {
        one = series(name);
        points = one.points.concat(event.series[name]);
        one.points = points.slice(Math.max(0, points.length - MOST));
        one.at = +new Date();
        one.late = first ? null : one.at - newest(one);
      }
    }
    want();
  }

  function newest(one) { return one.points[one.points.length - 1][0]; }

  // How long a series takes, in ms.
  function span(one) {
    return Math.max(one.points.length === MOST ? FULL_SPAN : LEAST_SPAN, newest(one) - one.points[0][0]);
  }

  // The place of a sample on the time axis: `shift` is what its publisher's clock is behind.
  function place(one, point) { return point[0] + one.shift; }

  // Clocks differ, and some devices have none: of series whose samples come now, one that would be out of view
  // beside another is drawn where it would be with the other's clock. `late` is by how much its samples came
  // after their time. Kept as it is while it is nearly right, so that nothing jumps.
  function align(live, wide) {
    var least = Infinity, i, shift;
    for (i = 0; i < live.length; i += 1) { if (live[i].late !== null) { least = Math.min(least, live[i].late); } }
    for (i = 0; i < live.length; i += 1) {
      shift = live[i].late === null ? 0 : live[i].late - least;
      if (shift < wide / 2) { live[i].shift = 0; } else if (Math.abs(live[i].shift - shift) > wide / 20) { live[i].shift = shift; }
    }
  }

  // What the time axis shows now; `pause` is in how many ms it will have moved by a pixel, 0 for never.
  function window_(now) {
    var to = -1, wide = 0, moving = false, i, one, each, ahead, most, live = [];
    for (i = 0; i < all.length; i += 1) {
      if (now - all[i].at < Math.max(LIVE, 3 * span(all[i]) / all[i].points.length)) { live.push(all[i]); }
    }
    if (!live.length) { live = all; }
    for (i = 0; i < live.length; i += 1) {
      one = live[i];
      each = span(one);
      most = Math.min(Math.max(SCROLL, 2 * each / one.points.length), each / 4); // no line runs out of view
      ahead = button.still() ? 0 : Math.max(0, Math.min(most, now - one.at));
      moving = moving || (ahead < most && !button.still());
      to = Math.max(to, newest(one) + ahead);
      wide = Math.max(wide, each);
    }
    align(live, wide);
    return { from: to - wide, to: to, pause: moving ? wide / plot.width : 0 };
  }

  // The values that the axis shows: from 0 to 5, and beyond, to round numbers, as the samples in view are.
  function range(view) {
    var low = 0, high = 5, i, j, points, step;
    for (i = 0; i < all.length; i += 1) {
      points = all[i].points;
      for (j = 0; j < points.length; j += 1) {
        if (place(all[i], points[j]) >= view.from && place(all[i], points[j]) <= view.to) {
          low = Math.min(low, points[j][1]);
          high = Math.max(high, points[j][1]);
        }
      }
    }
    if (Math.max(high, -low) > 1e300) { return { low: low, high: high, step: 0 }; } // no room for a scale
    step = plot.step(low, high);
    return { low: Math.floor(low / step) * step, high: high > 5 ? Math.ceil(high / step) * step : 5, step: step };
  }

  // The sample of a series nearest to a time; null if it is out of view.
  function nearest(one, time, view) {
    var best = null, i, at, least = Infinity;
    for (i = 0; i < one.points.length; i += 1) {
      at = place(one, one.points[i]);
      if (at >= view.from && at <= view.to && Math.abs(at - time) <= least) {
        best = one.points[i];
        least = Math.abs(at - time);
      }
    }
    return best;
  }

  function trace(one, x, y) {
    var pen = plot.pen, points = one.points, i;
    pen.beginPath();
    for (i = 0; i < points.length; i += 1) { pen[i ? 'lineTo' : 'moveTo'](x(place(one, points[i])), y(points[i][1])); }
  }

  function drawSeries(one, x, y, thin) {
    var pen = plot.pen, points = one.points;
    trace(one, x, y);
    pen.strokeStyle = pen.fillStyle = colour(one);
    pen.lineWidth = plot.font / 6;
    pen.stroke();
    pen.lineTo(x(place(one, points[points.length - 1])), y(0));
    pen.lineTo(x(place(one, points[0])), y(0));
    pen.closePath();
    pen.globalAlpha = 0.16 / thin;
    pen.fill();
    pen.globalAlpha = 1;
  }

  function drawMark(one, point, x, y) {
    if (point) { plot.text(MARKERS[(one.slot + Math.floor(one.slot / 8)) % 4], x(place(one, point)), y(point[1]), 'center', colour(one)); }
  }

  // How far a clock is behind, in words.
  function behind(ms) {
    var units = [[864e5, ' days'], [36e5, ' h'], [6e4, ' min'], [1e3, ' s']], i = 0;
    while (i < 3 && ms < 2 * units[i][0]) { i += 1; }
    return ms ? ' (' + Math.round(ms / units[i][0]) + units[i][1] + ' behind)' : '';
  }

  // Values beside the names: those under the pointer, else the newest.
  function tell(view, time) {
    var words = [], i, one, point;
    for (i = 0; i < all.length; i += 1) {
      one = all[i];
      point = time === null ? one.points[one.points.length - 1] : nearest(one, time, view);
      one.mark.style.color = colour(one);
      button.setText(one.value, (point ? button.figure(point[1]) : '–') + behind(one.shift));
      words.push(one.name + ' ' + (point ? button.figure(point[1]) : 'nothing') + behind(one.shift));
    }
    // The legend takes a line more, and keeps it: values change all the time.
    if (legend.offsetHeight > high) {
      high = legend.offsetHeight;
      if (button.graph.grown) { button.graph.grown(); }
    }
    label = words.length ? 'Live values: ' + words.join(', ') : 'Live values: none yet';
    labelling = labelling || setTimeout(function () {
      labelling = null;
      canvas.setAttribute('aria-label', label);
    }, 1000);
  }

  function draw(now) {
    var pen = plot.pen, view, values, k, x, y, time = null, i;
    if (!pen) { return; }
    var look = plot.begin();
    button.mark(byId('waiting'), 'unseen', all.length > 0);
    view = all.length ? window_(now) : { from: now - LEAST_SPAN, to: now, pause: 0 };
    values = range(view);
    k = values.step ? 1 : 1e-10; // the difference of two huge doubles may be none
    x = function (at) { return plot.left + (at - view.from) / (view.to - view.from) * plot.width; };
    y = function (value) {
      return plot.top + (values.high * k - value * k) / (values.high * k - values.low * k) * plot.height;
    };
    if (values.step) { plot.room(values.low, values.high, values.step); }
    plot.times(view.from, view.to, x, look);
    if (values.step) { plot.values(values.low, values.high, values.step, y, look); }
    pen.save();
    pen.beginPath();
    pen.rect(plot.left, 0, plot.width + plot.font, plot.top + plot.height);
    pen.clip();
    for (i = 0; i < all.length; i += 1) { drawSeries(all[i], x, y, Math.max(1, all.length / 2)); }
    if (pointer !== null && all.length) {
      time = view.from + (pointer - plot.left) / plot.width * (view.to - view.from);
      time = Math.max(view.from, Math.min(view.to, time));
      plot.rule(x(time), plot.top, x(time), plot.top + plot.height, look.text, 1);
    }
    for (i = 0; i < all.length; i += 1) {
      drawMark(all[i], time === null ? all[i].points[all[i].points.length - 1] : nearest(all[i], time, view), x, y);
    }
    pen.restore();
    if (time !== null) {
      plot.text(button.moment(time, 1), Math.max(plot.left + 4 * plot.font, Math.min(plot.left + plot.width - 3 * plot.font, x(time))), plot.font * 0.6, 'center', look.text);
    }
    tell(view, time);
    if (view.pause) { want(view.pause); }
  }

  var want = button.painter(draw);

  function point(event) {
    var at = event || window.event, touch = at.touches && at.touches[0];
    if (!touch && new Date() - touched < 1000) { return; } // the mouse that a browser makes of a finger
    pointer = (touch || at).clientX - canvas.getBoundingClientRect().left;
    want();
  }

  function leave(event) {
    if (event && /^touch/.test(event.type)) { touched = +new Date(); }
    pointer = null;
    want();
  }

  canvas.onmousemove = canvas.ontouchstart = canvas.ontouchmove = point;
  canvas.onmouseout = canvas.ontouchend = canvas.ontouchcancel = leave;

  function size(width, height) {
    high = legend.offsetHeight; // for which the page is laid out
    plot.size(width, height);
  }

  // The chart for the page: `take(event, isFirst)` samples, `size(width, height)`, `want()` a drawing soon,
  // `draw(now)` one at once; it calls `grown()` when the legend has become higher.
  button.graph = { take: take, size: size, want: want, draw: draw };
})(window.theButton);
