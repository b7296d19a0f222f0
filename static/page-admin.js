// The admin page: its forms without a reload, the live count, the state of the connection, the horn. ES5.
(function (button) {
  var REFRESH_INTERVAL = 30000, REQUEST_TIMEOUT = 15000; // ms
  var byId = button.byId, main = byId('admin'), notice = byId('notice');
  var before = button.query('before'); // the history begins before this change
  var current = null, isRefreshWanted = false; // the request under way, and whether another must follow
  var isOffline = false, isSignedOut = false, updatedAt = new Date(), screens = null, today = null, goal;
  var ring = button.attempt(function () { return button.ring(byId('ring')); });

  function drawRing(method, first, second, third) {
    button.attempt(function () { ring[method](first, second, third); });
  }

  function layout() { drawRing('resize', byId('ring').parentNode.clientWidth); }

  function shownSeq() { return Number(main.getAttribute('data-seq')); }

  function showCount(count, isPress) {
    button.setText(byId('count'), count.count);
    byId('count').className = 'figures' + String(count.count).length;
    button.setText(document.getElementsByTagName('h1')[0], button.toGo(count));
    byId('ring').setAttribute('aria-label', button.toGo(count));
    button.toggleClass(document.body, 'done', count.count === 0);
    drawRing('show', count.goal, count.goal - count.count, isPress);
  }

  function showToday() {
    if (today !== null) { button.setText(byId('deals-today'), ' · ' + today + ' today'); }
  }

  // Disables all buttons that send something while the server cannot be reached.
  function updateButtons() {
    var buttons = document.getElementsByTagName('button'), i;
    for (i = 0; i < buttons.length; i += 1) {
      if (buttons[i].type === 'submit') {
        buttons[i].disabled = isOffline || buttons[i].getAttribute('data-off') !== null;
      }
    }
  }

  // Shows a sentence in place of the notice, for a session that has ended with a link to the login page.
  function showNotice(text) {
    var line;
    button.setText(notice, '');
    line = button.append(notice, 'p', text + ' ');
    line.className = 'error';
    if (isSignedOut) { button.append(line, 'a', 'Sign in').href = '/admin/login'; }
  }

  // Shows what the server sent instead of the admin page: the login page, or an error.
  function showOtherPage(page, isAction) {
    var reason = page.getElementById('notice');
    isSignedOut = !!page.getElementById('password');
    if (!isAction && !isSignedOut) { return; }
    showNotice(
      reason ? reason.textContent : isSignedOut ? 'Please sign in again.' : 'Nothing was changed.'
    );
  }

  // Updates the page from a newer version of it. The notice stays until something else changes.
  function showPage(page, form) {
    var newer = page.getElementById('admin'), newNotice = page.getElementById('notice');
    var seq = shownSeq(), hadFocus = notice.contains(document.activeElement);
    if (!newer) {
      showOtherPage(page, !!form);
      return;
    }
    isSignedOut = false;
    if (form && !newNotice.querySelector('.error')) { form.reset(); } // its fields follow the count again
    main.setAttribute('data-seq', newer.getAttribute('data-seq'));
    button.morphChildren(main, newer);
    if (form || seq !== shownSeq()) { button.morphChildren(notice, newNotice); }
    if (form && notice.getBoundingClientRect().top < 0) { notice.scrollIntoView(); }
    if (hadFocus && !notice.contains(document.activeElement)) { notice.focus(); }
    updateButtons();
  }

  // Submits a form, or requests the page again if `form` is null, and shows the response.
  function request(form) {
    var sent = new XMLHttpRequest();
    current = { sent: sent, form: form };
    isRefreshWanted = false;
    if (form) {
      sent.open('POST', form.getAttribute('action'));
      sent.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
    } else {
      sent.open('GET', '/admin?live' + (before ? '&before=' + encodeURIComponent(before) : ''));
    }
    sent.timeout = REQUEST_TIMEOUT;
    sent.onreadystatechange = function () {
      if (sent.readyState !== 4 || !current || current.sent !== sent) { return; }
      current = null;
      if (sent.status) {
        showPage(button.parsePage(sent.responseText), form);
      } else if (form) {
        showNotice('The server does not respond. Check the count before you try again.');
      }
      if (isRefreshWanted) { refresh(); }
    };
    sent.send(form ? encode(form) : null);
  }

  function refresh() {
    if (current) { isRefreshWanted = true; } else if (!isSignedOut) { request(null); }
  }

  function encode(form) {
    var pairs = [], i, field;
    for (i = 0; i < form.elements.length; i += 1) {
      field = form.elements[i];
      if (field.name) { pairs.push(encodeURIComponent(field.name) + '=' + encodeURIComponent(field.value)); }
    }
    return pairs.join('&');
  }

  document.onsubmit = function (event) {
    var form = (event || window.event).target, question = form.getAttribute('data-ask'), superseded = current;
    if (question && !window.confirm(question)) { return false; }
    if (form.getAttribute('data-change') === null) { return true; }
    if (current && current.form) { return false; } // a double click
    before = null; // the response has the newest changes
    request(form);
    if (superseded) { superseded.sent.abort(); }
    return false;
  };

  byId('horn-test').hidden = !window.Audio;
  byId('test-horn').onclick = function () {
    var sound = new Audio(), files = byId('files');
    sound.src = files.getAttribute(sound.canPlayType('audio/mpeg') ? 'data-mp3' : 'data-wav');
    sound.play();
  };

  layout();
  if (ring && byId('ring').getContext) { button.toggleClass(byId('ring').parentNode, 'drawn', true); }
  goal = Number(main.getAttribute('data-goal'));
  drawRing('show', goal, goal - main.getAttribute('data-count'));
  drawRing('dim', false);
  window.onresize = layout;
  button.onThemeChange(layout);
  setInterval(function () {
    if (!isOffline && !document.hidden) { refresh(); }
  }, REFRESH_INTERVAL);

  button.connect({
    page: 'admin',
    onCount: function (count, isFirst) {
      var isPress;
      updatedAt = new Date();
      isPress = !isFirst && count.cause === 'press';
      showCount(count, isPress);
      if (isPress && today !== null && count.count < count.goal) { today += 1; } // info comes later
      showToday();
      button.showHeading(count);
      if (count.seq === shownSeq()) { return; } // already on the page
      if (!current || !current.form) { button.setText(byId('sentence'), button.sentence(count)); }
      refresh();
    },
    onInfo: function (info) {
      today = info.today;
      showToday();
      if (screens !== null && screens !== info.screens) { refresh(); }
      screens = info.screens;
    },
    onStatus: function (state, transport) {
      button.showStatus(state, transport, button.clock(updatedAt));
      if (isOffline && state === 'connected') { refresh(); }
      isOffline = state === 'closed';
      button.toggleClass(document.body, 'stale', isOffline);
      drawRing('dim', isOffline);
      updateButtons();
    }
  });
})(window.theButton);
