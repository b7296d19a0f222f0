// The connection to the server: its transport, reconnects, and a fallback for proxies that drop
// WebSocket frames. ES5.
(function (button) {
  var UPGRADE_TIMEOUT = 4000; // ms after which an upgrade that neither succeeded nor failed is cancelled
  // ms until WebSocket is retried after an upgrade timeout, doubled after each further timeout
  var MIN_RETRY_DELAY = 60000, MAX_RETRY_DELAY = 3600000;
  // ms until a reconnect, randomized from a tenth to nearly twice the delay, so that ten thousand screens do
  // not reconnect in the same second after a server restart
  var RECONNECT_DELAY = 2500, MAX_RECONNECT_DELAY = 5000, JITTER = 0.9;

  // Connects and returns the socket. The callbacks:
  // onCount(count, isFirst): for the first count after each connect, then each count with a higher seq
  // onInfo(info): for each info
  // onStatus(state, transport): when the state changes to connecting (only before the first connection),
  // connected, or closed
  // `page` is 'admin' for the admin page, which does not count as a screen.
  button.connect = function (callbacks) {
    var socket = io('/', {
      auth: { page: callbacks.page || '' },
      transports: ['polling', 'websocket'],
      reconnectionDelay: RECONNECT_DELAY,
      reconnectionDelayMax: MAX_RECONNECT_DELAY,
      randomizationFactor: JITTER,
      timeout: 8000
    });
    var manager = socket.io, watchdog = null, isFirst = true, lastSeq = -1, version = null;
    var retryDelay = MIN_RETRY_DELAY;

    function stopWatchdog() {
      clearTimeout(watchdog);
      watchdog = null;
    }

    function transportName() {
      return manager.engine && manager.engine.transport ? manager.engine.transport.name : '';
    }

    function notify(state) { callbacks.onStatus(state, state === 'connected' ? transportName() : ''); }

    // Reconnects without the usual delay, since other screens do not reconnect at the same time.
    function reconnect(engine) {
      manager.reconnectionDelay(50);
      engine.close();
    }

    // Cancels an upgrade that timed out because the proxy does not respond, or forwards the handshake but
    // drops the frames. It may also be a short stall, so WebSocket is retried, with increasing delays.
    function cancelUpgrade(engine) {
      // As if another transport had won: engine.io-client cancels its probe and stays on polling.
      engine.emitReserved('upgrading', { name: '' });
      setTimeout(function () {
        if (manager.engine === engine && transportName() === 'polling') { reconnect(engine); }
      }, retryDelay);
      retryDelay = Math.min(MAX_RETRY_DELAY, retryDelay * 2);
    }

    manager.on('open', function () {
      var engine = manager.engine;
      stopWatchdog();
      manager.reconnectionDelay(RECONNECT_DELAY);
      engine.on('upgrade', function () {
        stopWatchdog();
        retryDelay = MIN_RETRY_DELAY;
        if (socket.connected) { notify('connected'); }
      });
      engine.on('upgradeError', stopWatchdog);
      engine.on('close', stopWatchdog);
      if (manager.opts.upgrade !== false && window.WebSocket && transportName() === 'polling') {
        watchdog = setTimeout(function () { cancelUpgrade(engine); }, UPGRADE_TIMEOUT);
      }
    });
    socket.on('connect', function () {
      isFirst = true;
      notify('connected');
    });
    socket.on('disconnect', function (reason) {
      notify('closed');
      // socket.io-client does not reconnect after these.
      if (reason === 'io server disconnect' || reason === 'io client disconnect') { socket.connect(); }
    });
    socket.on('count', function (count) {
      var first = isFirst;
      if (!first && count.seq <= lastSeq) { return; }
      isFirst = false;
      lastSeq = count.seq;
      callbacks.onCount(count, first);
    });
    socket.on('info', function (info) {
      if (version !== null && info.version !== version) { location.reload(); } // the server was upgraded
      version = info.version;
      callbacks.onInfo(info);
    });
    if (window.addEventListener) {
      // After Back, the browser may restore a cached page whose connection was closed.
      window.addEventListener('pageshow', function (event) {
        if (event.persisted && manager.engine) { reconnect(manager.engine); }
      }, false);
    }
    notify('connecting');
    return socket;
  };
})(window.theButton);
