// The road to the server: which transport, what to show while it is lost, and a way round proxies
// that swallow WebSocket frames. ES5.
(function (button) {
  var WATCH = 4000; // ms on polling with an upgrade neither done nor failed
  var AGAIN = 60000, SELDOM = 3600000; // ms until WebSocket is tried again, doubled each time it failed
  // ms until a new attempt, by chance from a tenth to nearly twice of it: the ten thousand screens of a
  // server that starts anew must not come in one second.
  var AGAIN_IN = 2500, AGAIN_WITHIN = 5000, CHANCE = 0.9;

  // Connects and calls `told(count, isFirst)` for each count that is news: the first after each connect
  // as it comes, then those with a higher seq. `page` is `admin` for the admin page, which is no screen.
  // Calls `info(facts)` for each info, `changed(state,
  // transport)` when the connection comes or goes. `state` is connecting (only before the first
  // connection), connected or closed. Returns the socket.
  button.connect = function (on) {
    var socket = io('/', {
      auth: { page: on.page || '' },
      transports: ['polling', 'websocket'],
      reconnectionDelay: AGAIN_IN,
      reconnectionDelayMax: AGAIN_WITHIN,
      randomizationFactor: CHANCE,
      timeout: 8000
    });
    var manager = socket.io, watch = null, fresh = true, last = -1, pause = AGAIN, version = null;

    function calm() { clearTimeout(watch); watch = null; }

    function transport() {
      return manager.engine && manager.engine.transport ? manager.engine.transport.name : '';
    }

    function tell(state) { on.changed(state, state === 'connected' ? transport() : ''); }

    // Connects anew at once: it is we alone who do so.
    function anew(engine) {
      manager.reconnectionDelay(50);
      engine.close();
    }

    function opened() {
      var engine = manager.engine;
      calm();
      manager.reconnectionDelay(AGAIN_IN);
      engine.on('upgrade', function () {
        calm();
        pause = AGAIN;
        if (socket.connected) { tell('connected'); }
      });
      engine.on('upgradeError', calm);
      engine.on('close', calm);
      if (manager.opts.upgrade !== false && window.WebSocket && transport() === 'polling') {
        watch = setTimeout(function () {
          // A proxy never answers, or passed the handshake and swallows the frames: do without WebSocket for
          // a while. What engine.io-client has to hear, so that it gives its probe up and polls on, is that
          // another transport has won. It may also have been a moment's stall, so it is tried again,
          // seldomer each time.
          engine.emitReserved('upgrading', { name: '' });
          setTimeout(function () {
            if (manager.engine === engine && transport() === 'polling') { anew(engine); }
          }, pause);
          pause = Math.min(SELDOM, pause * 2);
        }, WATCH);
      }
    }

    manager.on('open', opened);
    socket.on('connect', function () { fresh = true; tell('connected'); });
    socket.on('disconnect', function (reason) {
      tell('closed');
      // The server or we ourselves ended it: the client would stay away.
      if (reason === 'io server disconnect' || reason === 'io client disconnect') { socket.connect(); }
    });
    socket.on('count', function (count) {
      var first = fresh;
      if (!first && count.seq <= last) { return; }
      fresh = false;
      last = count.seq;
      on.told(count, first);
    });
    socket.on('info', function (info) {
      if (version !== null && info.version !== version) { location.reload(); } // its pages are newer, too
      version = info.version;
      on.info(info);
    });
    tell('connecting');
    return socket;
  };

  var facts = null;

  // What an `info` says, in #facts.
  button.showFacts = function (info) {
    facts = info;
    var words = info.today + ' today · ' + info.week + ' this week';
    if (info.pressed_at !== null) {
      words += ' · last ' + button.clock(new Date(info.pressed_at * 1000)) + (info.site ? ' in ' + info.site : '');
    }
    button.setText(button.byId('facts'), words);
  };

  // A press stands in #facts at once; the next `info`, ten seconds away at most, says it again.
  button.countFact = function (count) {
    if (!facts || count.cause !== 'press' || count.at <= facts.pressed_at) { return; } // it counts it already
    if (count.count < count.goal) { // else it opens a round
      facts.today += 1;
      facts.week += 1;
    }
    facts.site = null; // the next info has it
    facts.pressed_at = count.at;
    button.showFacts(facts);
  };

  // The status line: #status with its lamp and words.
  button.showStatus = function (state, transport, since) {
    var line = button.byId('status');
    var words = state === 'connected' ? 'Connected: ' + transport
      : state === 'connecting' ? 'Connecting' : 'Reconnecting' + (since ? ' · as of ' + since : '');
    line.setAttribute('data-state', state);
    line.setAttribute('data-transport', transport);
    button.setText(button.byId('words'), words);
  };
})(window.theButton);
