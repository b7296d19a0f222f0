// The recorded presses: this round, and today by the hour; complete after a restart, too. ES5.
(function (button) {
  var PAGE_SIZE = 1000, MAX_PAGES = 20, MAX_CHANGES = 25000;
  var byId = button.byId;
  var round = button.plot(byId('round')), today = button.plot(byId('today'));
  var changes = []; // recorded events, without those undone
  var lastSeq = null, lastAt = 0; // of the newest event applied to `changes`
  var current = null; // the newest count
  var hours = null; // the response of /api/today
  var loading = false, reloadNeeded = false;

  function opensRound(event) {
    return event.kind === 'reset' || (event.kind === 'press' && event.count === event.goal);
  }

  function apply(event) {
    if (event.kind === 'undo') { changes.pop(); } else { changes.push(event); }
    if (changes.length > MAX_CHANGES) { changes = changes.slice(PAGE_SIZE); }
    lastSeq = event.seq;
    lastAt = event.at;
  }

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

  // Loads a page of events after `after`; retries until it has it.
  function loadPage(after, onEvents) {
    get('/api/history?after=' + after + '&limit=' + PAGE_SIZE, function (response) {
      onEvents(response.events);
    }, function () {
      setTimeout(function () { loadPage(after, onEvents); }, 5000);
    });
  }

  // Loads pages backwards until `events` includes the opening of the round.
  function loadOlder(after, events, pages) {
    loadPage(after, function (older) {
      events = older.concat(events);
      if (after > 0 && pages < MAX_PAGES && !events.some(opensRound)) {
        loadOlder(Math.max(0, after - PAGE_SIZE), events, pages + 1);
        return;
      }
      changes = [];
      lastSeq = after;
      events.forEach(function (event) {
        if (event.seq > lastSeq) { apply(event); } // the oldest page may overlap the next
      });
      loadNewer();
    });
  }

  function reload() {
    loading = true;
    reloadNeeded = false;
    loadOlder(Math.max(0, current.seq - PAGE_SIZE), [], 1);
  }

  // Loads the events recorded since.
  function loadNewer() {
    if (reloadNeeded) {
      reload();
    } else if (lastSeq >= current.seq) {
      loading = false;
      requestDraw();
    } else {
      loadPage(lastSeq, function (events) {
        events.forEach(apply);
        if (!events.length) { lastSeq = current.seq; }
        loadNewer();
      });
    }
  }

  // After a connect: loads newer events if the last one is still in the database; all events if not, since
  // the database was restored.
  function resume() {
    if (!lastSeq || current.seq < lastSeq || current.seq - lastSeq > PAGE_SIZE) {
      reload();
      return;
    }
    loading = true;
    loadPage(lastSeq - 1, function (events) {
      if (!events.length || events[0].seq !== lastSeq || events[0].at !== lastAt) {
        reload();
      } else {
        events.slice(1).forEach(apply);
        loadNewer();
      }
    });
  }

  // Handles a count; `isFirst`: the first after a connect, when the database may be a different one.
  function update(count, isFirst) {
    current = count;
    loadToday();
    if (loading) {
      reloadNeeded = reloadNeeded || isFirst;
    } else if (isFirst) {
      resume();
    } else if (count.seq <= lastSeq || count.seq - lastSeq > PAGE_SIZE) {
      reload();
    } else if (count.seq > lastSeq + 1) {
      loading = true;
      loadNewer();
    } else {
      apply({ seq: count.seq, at: count.at, kind: count.cause, count: count.count, goal: count.goal });
      requestDraw();
    }
  }

  // The changes of this round, its opening first.
  function thisRound() {
    var i = changes.length - 1;
    while (i > 0 && !opensRound(changes[i])) { i -= 1; }
    return changes.slice(Math.max(0, i));
  }

  // The deals made in the round after an event.
  function madeAfter(event) { return event.goal - event.count; }

  function drawRound(now) {
    var theme = round.begin(), ctx = round.ctx, events = thisRound(), goal = current.goal;
    var from, to, i, x, y, made, step;
    from = events.length ? events[0].at * 1000 : now - 3600000;
    to = Math.max(now, from + 60000, events.length ? events[events.length - 1].at * 1000 : 0);
    x = function (at) { return round.left + (at - from) / (to - from) * round.width; };
    y = function (value) { return round.top + (1 - value / goal) * round.height; };
    step = round.step(0, goal, true);
    round.fitLabels(0, goal, step);
    round.timeAxis(from, to, x, theme);
    round.valueAxis(0, goal, step, y, theme);
    round.line(round.left, y(goal), round.left + round.width, y(goal), theme.green, 2);
    made = events.length ? madeAfter(events[0]) : 0;
    if (events.length && !opensRound(events[0]) && events[0].kind === 'press') { made -= 1; }
    ctx.beginPath();
    ctx.moveTo(x(from), y(0));
    ctx.lineTo(x(from), y(made));
    for (i = 0; i < events.length; i += 1) {
      ctx.lineTo(x(events[i].at * 1000), y(made));
      made = madeAfter(events[i]);
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
    byId('round').setAttribute('aria-label', 'This round: ' + made + ' of ' + goal + ' made');
  }

  // The server counts, since today is a day in its time zone.
  function loadToday() {
    get('/api/today', function (response) {
      hours = response;
      requestDraw();
    });
  }

  function drawToday() {
    var theme = today.begin(), ctx = today.ctx, made = hours.hours, hour = hours.hour;
    var first = Math.min(8, hour), last = Math.max(17, hour), max = 4, sum = 0, words = [];
    var i, step, column, x, y, top, width, middle, bottom;
    for (i = 0; i < 24; i += 1) {
      sum += made[i];
      max = Math.max(max, made[i]);
      if (made[i]) {
        first = Math.min(first, i);
        last = Math.max(last, i);
        words.push(made[i] + ' from ' + i + ' to ' + (i + 1));
      }
    }
    step = today.step(0, max, true);
    max = Math.ceil(max / step) * step;
    today.fitLabels(0, max, step);
    column = today.width / (last - first + 1);
    width = column * 0.7;
    bottom = today.top + today.height;
    x = function (at) { return today.left + (at - first) * column; };
    y = function (value) { return today.top + (1 - value / max) * today.height; };
    today.valueAxis(0, max, step, y, theme);
    for (i = first; i <= last; i += 1) {
      middle = x(i) + column / 2;
      top = y(made[i]);
      ctx.fillStyle = i === hour ? theme.current : theme.green;
      ctx.fillRect(middle - width / 2, top, width, y(0) - top);
      if (column > today.font * 1.9 || (i - first) % 3 === 0) {
        today.text(i, middle, bottom + today.font * 1.1, 'center', theme.muted);
      }
      if (made[i]) {
        top = Math.max(today.font * 0.6, top - today.font * 0.7);
        today.text(made[i], middle, top, 'center', theme.muted);
      }
    }
    button.setText(byId('today-sum'), button.quantity(sum));
    byId('today').setAttribute('aria-label', 'Today: ' + sum + (sum ? '; ' + words.join(', ') : ''));
  }

  function draw(now) {
    if (!current || loading || !round.ctx) { return; }
    drawRound(now);
    if (hours) { drawToday(); }
    button.setText(byId('round-sum'), (current.goal - current.count) + ' of ' + current.goal);
  }

  var requestDraw = button.throttle(draw);
  setInterval(function () { // the time axis moves, and a day ends
    loadToday();
    requestDraw();
  }, 60000);

  // The charts for the page; `height` is that of each.
  button.historyCharts = {
    update: update,
    resize: function (width, height) {
      round.resize(width, height);
      today.resize(width, height);
      requestDraw();
    }
  };
})(window.theButton);
