// The air horn and its toggle: for presses only, remembered per browser. ES5.
(function (button) {
  var toggle = button.byId('sound'), files = button.byId('horn');
  var wish = button.query('sound'), on = true, refused = false, horn = null, longHorn = null;

  if (wish === 'off' || (wish !== 'on' && button.remember('sound') === 'off')) { on = false; }

  function show() {
    toggle.setAttribute('aria-pressed', on ? 'true' : 'false');
    button.setText(toggle, on ? (refused ? 'Turn on sound' : 'ON') : 'OFF');
    toggle.title = on && refused ? 'The browser blocks sound until a click' : '';
    button.mark(toggle, 'wanted', on && refused);
  }

  // The sound `name`, as mp3 or wav; null in an engine without.
  function load(name) {
    try {
      var sound = new Audio();
      sound.preload = 'auto';
      sound.src = files.getAttribute('data-' + name + (sound.canPlayType('audio/mpeg') ? '-mp3' : '-wav'));
      return sound;
    } catch (error) { return null; }
  }

  horn = load('horn');
  longHorn = load('long');

  // Plays, and takes note if the browser refuses until somebody clicks.
  function play(sound, volume) {
    var playing;
    if (!sound) { return; }
    try {
      sound.volume = volume;
      sound.currentTime = 0;
      playing = sound.play();
    } catch (error) { return; /* not loaded yet, or an engine that cannot */ }
    if (playing && playing.then) {
      playing.then(function () { refused = false; show(); }, function (error) {
        if (error && error.name === 'NotAllowedError') { refused = true; show(); }
      });
    }
  }

  // A press: sounds the horn unless it is muted; `goal`: its long version, for that was the last deal.
  button.soundHorn = function (goal) {
    if (!on) { return; }
    button.horns += 1;
    play(goal ? longHorn : horn, 1);
  };

  toggle.onclick = function () {
    if (on && refused) { play(horn, 1); return; }
    on = !on;
    button.remember('sound', on ? 'on' : 'off');
    show();
    if (on) { play(horn, 0); }
  };

  show();
  if (on) { play(horn, 0); } // without a sound: tells whether the browser wants a click
})(window.theButton);
