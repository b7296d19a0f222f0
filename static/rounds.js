// The presses as they are recorded: this round, and today by the hour; right after a restart, too. ES5.
(function (button) {
  var PAGE = 1000, MOST_PAGES = 20, MOST_KEPT = 25000;
  var byId = button.byId;
  var round = button.plot(byId('round')), today = button.plot(byId('today'));
  var known = null, knownAt = 0, stack = [], state = null, day = null, busy = false, anew = false; // stack: changes that were not taken back

  function opens(event) { return event.kind === 'reset' || (event.kind === 'press' && event.count === event.goal); }

  function fold(event) {
    if (event.kind === 'undo') { stack.pop(); } else { stack.push(event); }
    if (stack.length > MOST_KEPT) { stack = stack.slice(PAGE); }
    known = event.seq;
    knownAt = event.at;
  }

  function ask(after, done) {
    var request = new XMLHttpRequest();
    request.open('GET', '/api/history?after=' + after + '&limit=' + PAGE);
    request.onreadystatechange = function () {
      if (request.readyState !== 4) { return; }
      if (request.status === 200) { done(JSON.parse(request.responseText).events); } else {
        setTimeout(function () { ask(after, done); }, 5000);
      }
    };
    request.send(null);
  }

  // Whether `events` reach back to the beginning of the round.
  function enough(events) {
    for (var i = events.length - 1; i >= 0; i -= 1) {
      if (opens(events[i])) { return true; }
    }
    return false;
  }

  function back(after, events, pages) {
    ask(after, function (older) {
      events = older.concat(events);
      // A page may overlap the one after it where the first is not whole.
      if (after > 0 && pages < MOST_PAGES && !enough(events)) { back(Math.max(0, after - PAGE), events, pages + 1); return; }
      stack = [];
      known = after;
      for (var i = 0; i < events.length; i += 1) { if (events[i].seq > known) { fold(events[i]); } }
      forward();
    });
  }

  function start() {
    busy = true;
    anew = false;
    back(Math.max(0, state.seq - PAGE), [], 1);
  }

  // Reads what has been recorded since.
  function forward() {
    if (anew) { start(); return; }
    if (known >= state.seq) { busy = false; want(); return; }
    ask(known, function (events) {
      for (var i = 0; i < events.length; i += 1) { fold(events[i]); }
      if (!events.length) { known = state.seq; }
      forward();
    });
  }

  // After a connect: what is new, if the newest change that is known is still the same; a database that was
  // restored is read anew.
  function resume() {
    if (!known || state.seq < known || state.seq - known > PAGE) { start(); return; }
    busy = true;
    ask(known - 1, function (events) {
      if (!events.length || events[0].seq !== known || events[0].at !== knownAt) { start(); return; }
      for (var i = 1; i < events.length; i += 1) { fold(events[i]); }
      forward();
    });
  }

  // A count has come; `first` after a connect, when the database may be another one.
  function take(count, first) {
    state = count;
    askToday();
    if (busy) { anew = anew || first; return; }
    if (first) { resume(); return; }
    if (count.seq <= known || count.seq - known > PAGE) { start(); return; }
    if (count.seq > known + 1) { busy = true; forward(); return; }
    fold({ seq: count.seq, at: count.at, kind: count.cause, count: count.count, goal: count.goal });
    want();
  }

  // The changes of this round, the one that opened it first.
  function ofRound() {
    var i = stack.length - 1;
    while (i > 0 && !opens(stack[i])) { i -= 1; }
    return stack.slice(Math.max(0, i));
  }

  function clear(event) { return event.goal - event.count; }

  function drawRound(now) {
    var look = round.begin(), pen = round.pen, events = ofRound(), goal = state.goal, from, to, i, x, y, before;
    from = events.length ? events[0].at * 1000 : now - 3600000;
    to = Math.max(now, from + 60000, events.length ? events[events.length - 1].at * 1000 : 0);
    x = function (at) { return round.left + (at - from) / (to - from) * round.width; };
    y = function (made) { return round.top + (1 - made / goal) * round.height; };
    round.room(0, goal, round.step(0, goal, true));
    round.times(from, to, x, look);
    round.values(0, goal, round.step(0, goal, true), y, look);
    round.rule(round.left, y(goal), round.left + round.width, y(goal), look.green, 2);
    before = events.length && !opens(events[0]) && events[0].kind === 'press' ? clear(events[0]) - 1 : events.length ? clear(events[0]) : 0;
    pen.beginPath();
    pen.moveTo(x(from), y(0));
    pen.lineTo(x(from), y(before));
    for (i = 0; i < events.length; i += 1) {
      pen.lineTo(x(events[i].at * 1000), y(before));
      before = clear(events[i]);
      pen.lineTo(x(events[i].at * 1000), y(before));
    }
    pen.lineTo(x(to), y(before));
    pen.strokeStyle = look.green;
    pen.lineWidth = round.font / 5;
    pen.stroke();
    pen.lineTo(x(to), y(0));
    pen.closePath();
    pen.fillStyle = look.fill;
    pen.fill();
    byId('round').setAttribute('aria-label', 'This round: ' + before + ' of ' + goal + ' made');
  }

  // Today is the server's day, in its time zone: the server counts.
  function askToday() {
    var request = new XMLHttpRequest();
    request.open('GET', '/api/today');
    request.onreadystatechange = function () {
      if (request.readyState !== 4 || request.status !== 200) { return; }
      day = JSON.parse(request.responseText);
      want();
    };
    request.send(null);
  }

  function drawToday() {
    var look = today.begin(), pen = today.pen, made = day.hours, hour = day.hour;
    var first = Math.min(8, hour), last = Math.max(17, hour), most = 4, sum = 0, words = [], i, step, wide, x, y, from, width, middle;
    for (i = 0; i < 24; i += 1) {
      sum += made[i];
      most = Math.max(most, made[i]);
      if (made[i]) { first = Math.min(first, i); last = Math.max(last, i); words.push(made[i] + ' from ' + i + ' to ' + (i + 1)); }
    }
    step = today.step(0, most, true);
    most = Math.ceil(most / step) * step;
    today.room(0, most, step);
    wide = today.width / (last - first + 1);
    x = function (at) { return today.left + (at - first) * wide; };
    y = function (value) { return today.top + (1 - value / most) * today.height; };
    today.values(0, most, step, y, look);
    for (i = first; i <= last; i += 1) {
      width = wide * 0.7;
      middle = x(i) + wide / 2;
      from = y(made[i]);
      pen.fillStyle = i === hour ? look.mark : look.green;
      pen.fillRect(middle - width / 2, from, width, y(0) - from);
      if (wide > today.font * 1.9 || (i - first) % 3 === 0) {
        today.text(String(i), middle, today.top + today.height + today.font * 1.1, 'center', look.text);
      }
      if (made[i]) { today.text(String(made[i]), middle, Math.max(today.font * 0.6, from - today.font * 0.7), 'center', look.text); }
    }
    button.setText(byId('today-sum'), button.nouns(sum));
    byId('today').setAttribute('aria-label', 'Today: ' + sum + (words.length ? '; ' + words.join(', ') : ''));
  }

  function draw(now) {
    if (!state || busy || !round.pen) { return; }
    drawRound(now);
    if (day) { drawToday(); }
    button.setText(byId('round-sum'), (state.goal - state.count) + ' of ' + state.goal);
  }

  var want = button.painter(draw);
  setInterval(function () { askToday(); want(); }, 60000); // time passes, and a day ends

  // The charts for the page: `take(count, isFirst)`, `size` of each, `want()` a drawing.
  button.rounds = { take: take, round: round, today: today, want: want };
})(window.theButton);
