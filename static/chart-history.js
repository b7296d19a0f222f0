// Charts of the recorded presses: this round, today by the hour, and past rounds. ES5.
(function (button) {
  var MIN_BARS = 8; // minimum number of bars in the chart of past rounds, including empty ones
  var MAX_CHANGES = 5000; // maximum changes of the current round, as in /api/rounds
  var byId = button.byId;
  var round = button.plot(byId('round')), today = button.plot(byId('today'));
  var past = button.plot(byId('past'));
  var rounds = null; // the response of /api/rounds, kept up to date
  var current = null; // the newest count
  var hours = null; // the response of /api/today
  var loading = false, reloadNeeded = false;

  function get(url, onResponse, onError) {
    var request = new XMLHttpRequest();
    request.open('GET', url);
    request.onreadystatechange = function () {
      if (request.readyState !== 4) { return; }
      if (request.status === 200) {
        onResponse(JSON.parse(request.responseText));
      } else if (onError) {
        onError();
      }
    };
    request.send(null);
  }

  // Loads the rounds. Reloads them if there was a change meanwhile, or if the response of another server is
  // not up to date.
  function load() {
    reloadNeeded = loading;
    if (loading) { return; }
    loading = true;
    get('/api/rounds', function (response) {
      rounds = response;
      loading = false;
      requestDraw();
      if (reloadNeeded || rounds.seq < current.seq) { setTimeout(load, 250); }
    }, function () {
      loading = false;
      setTimeout(load, 5000);
    });
  }

  // Handles a count. `isFirst` is true for the first one after a connect, since the database may differ.
  function update(count, isFirst) {
    var isNext = !isFirst && !loading && rounds && count.seq === rounds.seq + 1;
    var isWithin = count.count > 0 && count.count < count.goal && count.cause !== 'undo'; // current round
    current = count;
    loadToday();
    if (isNext && isWithin && rounds.current.length < MAX_CHANGES) {
      rounds.seq = count.seq;
      rounds.current.push({ at: count.at, made: count.goal - count.count });
      requestDraw();
    } else if (isFirst || loading || !rounds || count.seq > rounds.seq) {
      load();
    }
  }

  function drawRound(now) {
    var theme = round.begin(), ctx = round.ctx, events = rounds.current, goal = current.goal, made = 0;
    var from, to, i, x, y, step;
    from = events.length ? events[0].at * 1000 : now - 3600000;
    to = Math.max(now, from + 60000, events.length ? events[events.length - 1].at * 1000 : 0);
    x = function (at) { return round.left + (at - from) / (to - from) * round.width; };
    y = function (value) { return round.top + (1 - value / goal) * round.height; };
    step = round.step(0, goal, true);
    round.fitLabels(0, goal, step);
    round.timeAxis(from, to, x, theme);
    round.valueAxis(0, goal, step, y, theme);
    round.line(round.left, y(goal), round.left + round.width, y(goal), theme.green, 2);
    ctx.beginPath();
    ctx.moveTo(x(from), y(0));
    for (i = 0; i < events.length; i += 1) {
      ctx.lineTo(x(events[i].at * 1000), y(made));
      made = events[i].made;
      ctx.lineTo(x(events[i].at * 1000), y(made));
    }
    ctx.lineTo(x(to), y(made));
    ctx.strokeStyle = theme.green;
    ctx.lineWidth = round.font / 5;
    ctx.stroke();
    ctx.lineTo(x(to), y(0));
    ctx.closePath();
    ctx.fillStyle = theme.area;
    ctx.fill();
    button.setText(byId('round-sum'), made + ' of ' + goal);
    byId('round').setAttribute('aria-label', 'This round: ' + made + ' of ' + goal + ' made');
  }

  // The server counts the presses by hour, since the hours are in its time zone.
  function loadToday() {
    get('/api/today', function (response) {
      hours = response;
      requestDraw();
    });
  }

  // Draws `bars`, each with its value and texts below and above it if there is space. The bar at the index
  // `special` is highlighted.
  function drawBars(plot, bars, max, special, theme) {
    var ctx = plot.ctx, step = plot.step(0, max, true), bottom = plot.top + plot.height;
    var high = Math.ceil(max / step + 0.2) * step, below = 0, above = 0, column, every, i, middle, top, y;
    plot.fitLabels(0, high, step);
    column = plot.width / bars.length;
    y = function (value) { return plot.top + (1 - value / high) * plot.height; };
    plot.valueAxis(0, high, step, y, theme);
    for (i = 0; i < bars.length; i += 1) {
      below = Math.max(below, ctx.measureText(bars[i].below).width);
      above = Math.max(above, ctx.measureText(bars[i].above).width);
    }
    every = Math.ceil((below + plot.font * 0.7) / column);
    for (i = 0; i < bars.length; i += 1) {
      middle = plot.left + (i + 0.5) * column;
      top = Math.min(y(bars[i].value), bars[i].above ? bottom - 2 : bottom); // at least a visible line
      ctx.fillStyle = i === special ? theme.current : theme.green;
      ctx.fillRect(middle - column * 0.35, top, column * 0.7, bottom - top);
      if (i % every === 0) {
        plot.text(bars[i].below, middle, bottom + plot.font * 1.1, 'center', theme.muted);
      }
      if (above < column) {
        top = Math.max(plot.font * 0.6, top - plot.font * 0.7);
        plot.text(bars[i].above, middle, top, 'center', theme.muted);
      }
    }
  }

  function drawToday() {
    var theme = today.begin(), made = hours.hours, hour = hours.hour;
    var first = Math.min(8, hour), last = Math.max(17, hour), max = 4, sum = 0, words = [], bars = [], i;
    for (i = 0; i < 24; i += 1) {
      sum += made[i];
      max = Math.max(max, made[i]);
      if (made[i]) {
        first = Math.min(first, i);
        last = Math.max(last, i);
        words.push(made[i] + ' from ' + i + ' to ' + (i + 1));
      }
    }
    for (i = first; i <= last; i += 1) { bars.push({ value: made[i], below: i, above: made[i] || '' }); }
    drawBars(today, bars, max, hour - first, theme);
    button.setText(byId('today-sum'), button.quantity(sum));
    byId('today').setAttribute('aria-label', 'Today: ' + sum + (sum ? '; ' + words.join(', ') : ''));
  }

  // Draws the duration of each past round.
  function drawPast() {
    var theme = past.begin(), all = rounds.rounds, bars = [], times = [], fastest = 0, max = 0;
    var text = 'none yet', i, unit, days;
    button.toggleClass(byId('no-rounds'), 'unseen', all.length > 0);
    button.setText(
      byId('no-rounds'), 'Each completed round of ' + button.quantity(current.goal) + ' will appear here.'
    );
    for (i = 0; i < all.length; i += 1) {
      times.push((all[i].ended - all[i].began) * 1000);
      max = Math.max(max, times[i]);
      if (times[i] < times[fastest]) { fastest = i; }
    }
    unit = button.unitOf(max);
    past.unit = unit[1];
    days = all.length && all[all.length - 1].ended - all[0].ended > 86400;
    for (i = 0; i < Math.max(MIN_BARS, all.length); i += 1) {
      bars.push(i >= all.length ? { value: 0, below: '', above: '' } : {
        value: times[i] / unit[0],
        below: button.formatTime(all[i].ended * 1000, days ? 86400 : 60),
        above: button.formatDuration(times[i])
      });
    }
    if (all.length) {
      drawBars(past, bars, Math.max(1, max / unit[0]), fastest, theme);
      text = 'fastest ' + button.formatDuration(times[fastest]);
    }
    button.setText(byId('past-sum'), all.length ? text : '');
    byId('past').setAttribute('aria-label', 'Past rounds: ' + (all.length ? all.length + ', ' : '') + text);
  }

  function draw(now) {
    if (!rounds || !round.ctx) { return; }
    drawRound(now);
    drawPast();
    if (hours) { drawToday(); }
  }

  var requestDraw = button.throttle(draw);
  setInterval(function () { // as time passes and a new day begins
    loadToday();
    requestDraw();
  }, 60000);

  // The charts for the page. `height` is the height of each chart.
  button.historyCharts = {
    update: update,
    resize: function (width, height) {
      round.resize(width, height);
      today.resize(width, height);
      past.resize(width, height);
      requestDraw();
    }
  };
})(window.theButton);
