// The menu, shown while the pointer moves or the menu has the focus. ES5.
(function (button) {
  var byId = button.byId, root = document.documentElement, menu = byId('menu'), code = byId('code');
  var full = byId('full'), share = byId('share');
  var request = root.requestFullscreen || root.webkitRequestFullscreen || root.mozRequestFullScreen;
  var exit = document.exitFullscreen || document.webkitExitFullscreen || document.mozCancelFullScreen;

  function isFull() {
    return document.fullscreenElement || document.webkitFullscreenElement || document.mozFullScreenElement;
  }

  function showCode(on) {
    if (on && !code.firstChild) {
      var image = button.append(code, 'img', '');
      image.alt = "QR code of this page's address";
      image.src = code.getAttribute('data-src');
      button.append(code, 'span', location.host);
    }
    code.hidden = !on;
    code.style.display = on ? '' : 'none';
    share.setAttribute('aria-expanded', on ? 'true' : 'false');
    button.toggleClass(menu, 'open', on);
  }

  full.hidden = !(request && exit);
  full.onclick = function () {
    if (isFull()) { exit.call(document); } else { request.call(root); }
  };
  share.onclick = function () { showCode(code.hidden); };

  if (document.addEventListener) {
    document.addEventListener('keydown', function (event) {
      if (event.keyCode === 27) { showCode(false); }
    }, false);
    menu.addEventListener('focus', function () { button.toggleClass(menu, 'focused', true); }, true);
    menu.addEventListener('blur', function () { button.toggleClass(menu, 'focused', false); }, true);
  }
})(window.theButton);
