// A polyfill, a fallback page for engines that are too old, and the global `theButton`. Loaded before the
// page is drawn. ES5.
if (!Function.prototype.bind) {
  Function.prototype.bind = function (that) {
    var call = this, first = Array.prototype.slice.call(arguments, 1);
    return function () {
      return call.apply(that, first.concat(Array.prototype.slice.call(arguments)));
    };
  };
}

window.theButton = { horns: 0 };

(function () {
  // Shows the count as text and reloads the page every five seconds.
  function showPlainPage() {
    var ring = document.getElementById('ring'), body = document.body;
    if (!ring || document.getElementById('admin')) { return; } // the admin page works as it is
    body.innerHTML = '<div class="sheet narrow"><h1>' + ring.getAttribute('aria-label') +
      '</h1><p>This browser is too old for live updates. The page reloads every five seconds.</p></div>';
    body.className = 'paper';
    setTimeout(function () { location.reload(); }, 5000);
  }

  if (!(window.JSON && window.XMLHttpRequest && Object.keys && [].forEach &&
      document.createElement('canvas').getContext)) {
    window.onload = showPlainPage;
  }
})();
