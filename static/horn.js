// The air horn and its toggle: sounds for presses only; the mute is remembered per browser. ES5.
(function (button) {
  var toggle = button.byId('sound'), files = button.byId('horn');
  var query = button.query('sound'), enabled = true, blocked = false, horn = null, longHorn = null;

  if (query === 'off' || (query !== 'on' && button.preference('sound') === 'off')) { enabled = false; }

  function show() {
    toggle.setAttribute('aria-pressed', enabled ? 'true' : 'false');
    button.setText(toggle, enabled ? (blocked ? 'Turn on sound' : 'ON') : 'OFF');
    toggle.title = enabled && blocked ? 'The browser blocks sound until a click' : '';
    button.toggleClass(toggle, 'wanted', enabled && blocked);
  }

  // Loads the sound `name` as mp3 or wav; null in an engine without audio.
  function load(name) {
    try {
      var sound = new Audio();
      sound.preload = 'auto';
      sound.src = files.getAttribute('data-' + name + (sound.canPlayType('audio/mpeg') ? '-mp3' : '-wav'));
      return sound;
    } catch (error) {
      return null;
    }
  }

  horn = load('horn');
  longHorn = load('long');

  // Plays a sound, and records whether the browser blocks it until the user clicks.
  function play(sound, volume) {
    var playing;
    if (!sound) { return; }
    try {
      sound.volume = volume;
      sound.currentTime = 0;
      playing = sound.play();
    } catch (error) {
      return; // not loaded yet, or not supported
    }
    if (playing && playing.then) {
      playing.then(function () {
        blocked = false;
        show();
      }, function (error) {
        if (error && error.name === 'NotAllowedError') {
          blocked = true;
          show();
        }
      });
    }
  }

  // Sounds the horn unless it is muted; the long one if this press reached the goal.
  button.soundHorn = function (isGoal) {
    if (!enabled) { return; }
    button.horns += 1;
    play(isGoal ? longHorn : horn, 1);
  };

  toggle.onclick = function () {
    if (enabled && blocked) {
      play(horn, 1);
      return;
    }
    enabled = !enabled;
    button.preference('sound', enabled ? 'on' : 'off');
    show();
    if (enabled) { play(horn, 0); }
  };

  show();
  if (enabled) { play(horn, 0); } // silent, to find out whether the browser blocks sound
})(window.theButton);
