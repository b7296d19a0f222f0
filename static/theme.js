// The theme, and the palette for canvases. The palette for pages is in palette.css. ES5.
(function (button) {
  var LIGHT = {
    muted: '#3d4a63', line: '#e4e8ee', axis: '#c3ccd9', green: '#12803c', area: 'rgba(35,164,85,.22)',
    current: '#143c9f', disc: '#ffffff', well: '#d5dbe4', wedge: '#23a455', rim: '#12803c',
    shadow: 'rgba(23,37,64,.22)',
    series: ['#1d55dd', '#12803c', '#b45309', '#a21caf', '#b91c1c', '#0e7490', '#4d5a72', '#6d28d9']
  };
  var DARK = {
    muted: '#a9b7cc', line: '#2a3545', axis: '#3a475b', green: '#2fbd67', area: 'rgba(47,189,103,.22)',
    current: '#9dbcff', disc: '#17202d', well: '#0c131d', wedge: '#2fbd67', rim: '#15803d',
    shadow: 'rgba(0,0,0,.6)',
    series: ['#7ea4ff', '#34c26f', '#f4b41f', '#e879f9', '#ff8a8a', '#38c6dd', '#b7c4d8', '#b197fc']
  };
  // Colours used in both themes. Caps have one at the centre and one at the rim. White on the first blue has
  // a contrast of 7:1.
  button.palette = {
    cap: '#1a47c4', gold: '#f4b41f', onGold: '#3a2500', onSolid: '#ffffff',
    caps: {
      blue: ['#1a47c4', '#0f2f86'], gold: ['#f6b92a', '#c98a06'], grey: ['#4b5563', '#363f4b'],
      oldGold: ['#cfab5b', '#a98a45'], light: '#ffffff',
      shadow: 'rgba(8,20,50,.45)', edge: 'rgba(255,255,255,.28)',
      shine: ['rgba(255,255,255,.42)', 'rgba(255,255,255,0)']
    },
    none: 'rgba(0,0,0,0)',
    confetti: ['#23a455', '#1d55dd', '#f4b41f', '#e4572e', '#ffffff']
  };

  var theme = button.query('theme'), listeners = [];
  var system = window.matchMedia ? window.matchMedia('(prefers-color-scheme: dark)') : null;

  button.isDark = function () {
    return theme === 'dark' || (theme !== 'light' && !!system && system.matches);
  };
  // The colours of the current theme.
  button.colours = function () { return button.isDark() ? DARK : LIGHT; };
  // Calls `listener` when the theme changes.
  button.onThemeChange = function (listener) { listeners.push(listener); };
  button.reducedMotion = function () {
    return !!window.matchMedia && window.matchMedia('(prefers-reduced-motion: reduce)').matches;
  };

  function applyTheme() {
    button.toggleClass(document.documentElement, 'dark', button.isDark());
    for (var i = 0; i < listeners.length; i += 1) { listeners[i](); }
  }
  if (system && system.addListener) { system.addListener(applyTheme); }
  applyTheme();
})(window.theButton);
