// The admin page: asks before a reset, follows the count live, sounds the horn. ES5.
(function (button) {
  var byId = button.byId, parts = ['wheel', 'state', 'changes', 'health'];
  var seq = null, first = true, asking = false, again = false;

  function local(when) {
    try {
      return when.toLocaleString([], { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
    } catch (error) { return when.toLocaleString(); /* an engine without options */ }
  }

  // Times in the reader's own zone.
  function localise(root) {
    var times = root.getElementsByTagName('time'), i, when;
    for (i = 0; i < times.length; i += 1) {
      when = new Date(times[i].getAttribute('datetime'));
      if (!isNaN(when)) { button.setText(times[i], local(when)); }
    }
  }

  function askFirst(event) {
    var form = (event || window.event).target || window.event.srcElement;
    var text = form.getAttribute('data-ask');
    if (text && !window.confirm(text)) {
      if (event.preventDefault) { event.preventDefault(); }
      return false;
    }
    return true;
  }

  function typing(part) {
    var at = document.activeElement;
    return !!at && at.tagName === 'INPUT' && part.contains(at);
  }

  // Fetches the page anew and takes its parts over: forms that mean the newest change, the list.
  function refresh() {
    var request = new XMLHttpRequest();
    if (asking) { again = true; return; }
    asking = true;
    request.open('GET', '/admin');
    request.onload = function () {
      var page = document.createElement('div'), i, part, fresh;
      asking = false;
      page.innerHTML = request.responseText;
      for (i = 0; i < parts.length; i += 1) {
        part = byId(parts[i]);
        fresh = page.querySelector('#' + parts[i]);
        if (!fresh) { location.reload(); return; } // signed out meanwhile
        if (!typing(part)) { part.innerHTML = fresh.innerHTML; localise(part); }
      }
      if (again) { again = false; refresh(); }
    };
    request.onerror = function () { asking = again = false; };
    request.send();
  }

  document.onsubmit = askFirst;
  localise(document);

  var horn = byId('test-horn');
  horn.hidden = !window.Audio;
  horn.onclick = function () {
    var sound = new Audio(), files = byId('files');
    sound.src = files.getAttribute(sound.canPlayType('audio/mpeg') ? 'data-mp3' : 'data-wav');
    sound.play();
  };

  function lost(words) {
    button.setText(byId('lost'), words);
    button.mark(byId('lost'), 'unseen', !words);
  }

  var socket = io({ transports: ['polling', 'websocket'] });
  socket.on('connect', function () { first = true; lost(''); });
  socket.on('disconnect', function () { lost('The server is away: below stands what it said last.'); });
  socket.on('count', function (count) {
    var known = seq;
    if (!first && count.seq <= seq) { return; }
    first = false;
    seq = count.seq;
    // The first count may be newer than the page, too.
    if (seq !== (known === null ? Number(byId('state').getAttribute('data-seq')) : known)) { refresh(); }
  });
})(window.theButton);
