// The admin page: confirms a reset, follows the count live, tests the horn. ES5.
(function (button) {
  var byId = button.byId, SECTIONS = ['wheel', 'state', 'changes', 'health'];
  var updatedAt = new Date(), loading = false, reloadNeeded = false;

  function localTime(date) {
    try {
      return date.toLocaleString([], { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
    } catch (error) {
      return date.toLocaleString(); // an engine without options
    }
  }

  // Shows the times within `root` in the browser's time zone.
  function localize(root) {
    var times = root.getElementsByTagName('time'), i, date;
    for (i = 0; i < times.length; i += 1) {
      date = new Date(times[i].getAttribute('datetime'));
      if (!isNaN(date)) { button.setText(times[i], localTime(date)); }
    }
  }

  function confirmSubmit(event) {
    var form = (event || window.event).target || window.event.srcElement;
    var text = form.getAttribute('data-ask');
    if (text && !window.confirm(text)) {
      if (event.preventDefault) { event.preventDefault(); }
      return false;
    }
    return true;
  }

  // Replaces a section by its newer version; keeps the focus and what was typed into its fields.
  function replaceSection(section, newer) {
    var typed = {}, selector = 'button, input:not([type=hidden])', focused = -1, i, id;
    var fields = section.querySelectorAll(selector);
    for (i = 0; i < fields.length; i += 1) {
      id = fields[i].id;
      if (fields[i] === document.activeElement) { focused = i; }
      if (id && fields[i].value !== fields[i].defaultValue) { typed[id] = fields[i].value; }
    }
    section.innerHTML = newer.innerHTML;
    section.setAttribute('data-seq', newer.getAttribute('data-seq'));
    localize(section);
    fields = section.querySelectorAll(selector);
    for (i = 0; i < fields.length; i += 1) {
      id = fields[i].id;
      if (Object.prototype.hasOwnProperty.call(typed, id)) { fields[i].value = typed[id]; }
      if (i === focused) { fields[i].focus(); }
    }
  }

  // Loads the page and replaces its sections: its forms name the newest change.
  function refresh() {
    var request = new XMLHttpRequest();
    if (loading) {
      reloadNeeded = true;
      return;
    }
    loading = true;
    request.open('GET', '/admin');
    request.onload = function () {
      var page = document.createElement('div'), i, newer;
      loading = false;
      page.innerHTML = request.responseText;
      for (i = 0; i < SECTIONS.length; i += 1) {
        newer = page.querySelector('#' + SECTIONS[i]);
        if (!newer) { // signed out meanwhile
          location.reload();
          return;
        }
        replaceSection(byId(SECTIONS[i]), newer);
      }
      if (reloadNeeded) {
        reloadNeeded = false;
        refresh();
      }
    };
    request.onerror = function () { loading = reloadNeeded = false; };
    request.send();
  }

  document.onsubmit = confirmSubmit;
  localize(document);

  var testHorn = byId('test-horn');
  testHorn.hidden = !window.Audio;
  testHorn.onclick = function () {
    var sound = new Audio(), files = byId('files');
    sound.src = files.getAttribute(sound.canPlayType('audio/mpeg') ? 'data-mp3' : 'data-wav');
    sound.play();
  };

  button.connect({
    page: 'admin',
    onCount: function (count) {
      updatedAt = new Date();
      button.setText(byId('count'), count.count);
      button.showHeading(count);
      if (count.seq === Number(byId('state').getAttribute('data-seq'))) { return; } // already on the page
      button.setText(byId('sentence'), button.sentence(count));
      refresh();
    },
    onInfo: function () { /* shown under Health */ },
    onStatus: function (state, transport) {
      button.showStatus(state, transport, button.clock(updatedAt));
      button.toggleClass(document.body, 'stale', state === 'closed');
    }
  });
})(window.theButton);
