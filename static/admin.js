// The admin page: asks before a reset, follows the count live, sounds the horn. ES5.
(function (button) {
  var byId = button.byId, parts = ['wheel', 'state', 'changes', 'health'];
  var since = new Date(), asking = false, again = false;

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

  // Puts the fresh part in the place of one, but for what has been typed; the focus stays where it was.
  function replace(part, fresh) {
    var typed = {}, fields = part.querySelectorAll('button, input:not([type=hidden])'), at = -1, i;
    for (i = 0; i < fields.length; i += 1) {
      if (fields[i] === document.activeElement) { at = i; }
      if (fields[i].id && fields[i].value !== fields[i].defaultValue) { typed[fields[i].id] = fields[i].value; }
    }
    part.innerHTML = fresh.innerHTML;
    part.setAttribute('data-seq', fresh.getAttribute('data-seq'));
    localise(part);
    fields = part.querySelectorAll('button, input:not([type=hidden])');
    for (i = 0; i < fields.length; i += 1) {
      if (Object.prototype.hasOwnProperty.call(typed, fields[i].id)) { fields[i].value = typed[fields[i].id]; }
      if (i === at) { fields[i].focus(); }
    }
  }

  // Fetches the page anew and takes its parts over: forms that mean the newest change, the list.
  function refresh() {
    var request = new XMLHttpRequest();
    if (asking) { again = true; return; }
    asking = true;
    request.open('GET', '/admin');
    request.onload = function () {
      var page = document.createElement('div'), i, fresh;
      asking = false;
      page.innerHTML = request.responseText;
      for (i = 0; i < parts.length; i += 1) {
        fresh = page.querySelector('#' + parts[i]);
        if (!fresh) { location.reload(); return; } // signed out meanwhile
        replace(byId(parts[i]), fresh);
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

  button.connect({
    page: 'admin',
    told: function (count) {
      since = new Date();
      button.setText(byId('count'), count.count);
      button.showHeading(count);
      if (count.seq === Number(byId('state').getAttribute('data-seq'))) { return; } // the page has it already
      button.setText(byId('sentence'), button.sentence(count));
      refresh();
    },
    info: function () { /* what it tells stands under Health */ },
    changed: function (state, transport) {
      button.showStatus(state, transport, button.clock(since));
      button.mark(document.body, 'stale', state === 'closed');
    }
  });
})(window.theButton);
