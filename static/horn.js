// The air horn, which sounds for presses only, and its toggle. The setting is stored per browser. ES5.
(function (button) {
  var toggle = button.byId('sound'), files = button.byId('horn');
  var query = button.query('sound'), enabled = true, blocked = false, player = null, playing = '';

  if (query === 'off' || (query !== 'on' && button.preference('sound') === 'off')) { enabled = false; }

  function show() {
    toggle.setAttribute('aria-pressed', enabled ? 'true' : 'false');
    button.setText(toggle, enabled ? (blocked ? 'Turn on sound' : 'ON') : 'OFF');
    toggle.title = enabled && blocked ? 'The browser blocks sound until you click' : '';
    button.toggleClass(toggle, 'wanted', enabled && blocked);
    button.toggleClass(button.byId('sound-label'), 'unseen', enabled && blocked);
    button.fit();
  }

  // The URL of the sound `name` as mp3 or wav.
  function url(name) {
    return files.getAttribute('data-' + name + (player.canPlayType('audio/mpeg') ? '-mp3' : '-wav'));
  }

  // Creates the audio element if the engine supports audio. All sounds share one, since in WebKit a click
  // unlocks a single element.
  function createPlayer() {
    var preloaded = new Audio();
    player = new Audio();
    player.preload = preloaded.preload = 'auto';
    preloaded.src = url('long'); // into the browser's cache
  }

  // Plays the sound `name`, and detects whether the browser blocks it until the user clicks.
  function play(name, volume) {
    var promise;
    if (!player) { return; }
    try {
      if (playing !== name) { player.src = url(name); }
      playing = name;
      player.volume = volume;
      player.currentTime = 0;
      promise = player.play();
    } catch (error) {
      return; // not loaded yet, or not supported
    }
    if (promise && promise.then) {
      promise.then(function () {
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

  // Sounds the horn, or the long one if `isGoal`, unless it is muted.
  button.soundHorn = function (isGoal) {
    if (!enabled) { return; }
    button.horns += 1;
    play(isGoal ? 'long' : 'horn', 1);
  };

  toggle.onclick = function () {
    if (enabled && blocked) {
      play('horn', 1);
      return;
    }
    enabled = !enabled;
    button.preference('sound', enabled ? 'on' : 'off');
    show();
    if (enabled) { play('horn', 0); }
  };

  button.attempt(createPlayer);
  show();
  if (enabled) { play('horn', 0); } // silent, to detect whether the browser blocks sound
})(window.theButton);
