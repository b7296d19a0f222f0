// The countdown page: its layout, the horn, the celebration. ES5.
(function (button) {
  var byId = button.byId, stage = byId('stage'), side = 0;

  function layout() {
    var width = document.documentElement.clientWidth;
    var height = window.innerHeight || document.documentElement.clientHeight;
    var top = byId('head').offsetHeight, size = Math.max(160, height - top - byId('foot').offsetHeight);
    side = Math.floor(Math.min(width, size));
    stage.style.width = stage.style.height = byId('count').style.lineHeight = side + 'px';
    stage.style.left = Math.floor((width - side) / 2) + 'px';
    stage.style.top = Math.floor(top + (size - side) / 2) + 'px';
    stage.style.visibility = 'visible';
  }

  button.showDelays(button.startPage({
    layout: layout,
    side: function () { return side; },
    shares: [0.3, 0.3, 0.255, 0.19, 0.145],
    onCount: function (count, isFirst, isPress) {
      if (isPress) {
        button.soundHorn(count.count === 0);
        if (count.count === 0) { button.attempt(button.celebrate); }
      }
    },
    onState: function (state, transport) {
      byId('status').title = state === 'connected' ? 'Connected: ' + transport : '';
      if (state === 'connected') { button.setText(byId('words'), 'Live'); }
    }
  }));
})(window.theButton);
