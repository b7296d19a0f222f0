// The air horn and its toggle: for presses only, remembered per browser. ES5.
(function (button) {
  var toggle = button.byId('sound'), note = button.byId('sound-note'), files = button.byId('horn');
  var wish = button.query('sound'), on = true, refused = false, horn = null;

  if (wish === 'off' || (wish !== 'on' && button.remember('sound') === 'off')) { on = false; }

  function show() {
    toggle.setAttribute('aria-pressed', on ? 'true' : 'false');
    button.setText(toggle, on ? 'ON' : 'OFF');
    button.setText(note, on && refused ? 'This browser wants a click first:' : '');
    button.mark(toggle, 'wanted', on && refused);
  }

  try {
    horn = new Audio();
    horn.preload = 'auto';
    horn.src = files.getAttribute(horn.canPlayType('audio/mpeg') ? 'data-mp3' : 'data-wav');
  } catch (error) { horn = null; /* an engine without sound */ }

  // Plays, and takes note if the browser refuses until somebody clicks.
  function play(volume) {
    var playing;
    if (!horn) { return; }
    try {
      horn.volume = volume;
      horn.currentTime = 0;
      playing = horn.play();
    } catch (error) { return; /* not loaded yet, or an engine that cannot */ }
    if (playing && playing.then) {
      playing.then(function () { refused = false; show(); }, function (error) {
        if (error && error.name === 'NotAllowedError') { refused = true; show(); }
      });
    }
  }

  // A press: sounds the horn unless it is muted.
  button.soundHorn = function () {
    if (!on) { return; }
    button.horns += 1;
    play(1);
  };

  toggle.onclick = function () {
    if (on && refused) { play(1); return; }
    on = !on;
    button.remember('sound', on ? 'on' : 'off');
    show();
    if (on) { play(0); }
  };

  show();
  if (on) { play(0); } // without a sound: tells whether the browser wants a click
})(window.theButton);
