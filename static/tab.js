// The browser tab, which shows the number in its title and icon while the page is in the background. ES5.
(function (button) {
  var PAGE = /^(\d+ · )?((Graph|Admin) · )?/.exec(document.title)[2] || '', palette = button.palette;

  function drawIcon(number) {
    var canvas = document.createElement('canvas'), ctx = canvas.getContext && canvas.getContext('2d');
    if (!ctx || !canvas.toDataURL) { return; }
    canvas.width = canvas.height = 64;
    ctx.beginPath();
    ctx.arc(32, 32, 31, 0, Math.PI * 2, false);
    ctx.fillStyle = number === 0 ? palette.gold : palette.cap;
    ctx.fill();
    ctx.fillStyle = number === 0 ? palette.onGold : palette.onSolid;
    ctx.font = 'bold ' + [44, 44, 38, 28, 22][String(number).length] + 'px Inter, Arial, sans-serif';
    ctx.textAlign = 'center';
    ctx.textBaseline = 'middle';
    ctx.fillText(number, 32, 34);
    button.byId('icon').href = canvas.toDataURL('image/png');
  }

  // Shows the goal in the heading, the number and the goal in the title, and the number on the icon.
  button.showHeading = function (count) {
    var title = button.byId('title');
    var name = title.getAttribute('data-title').split('{goal}').join(count.goal);
    button.setText(title, name);
    document.title = count.count + ' · ' + PAGE + name;
    button.attempt(function () { drawIcon(count.count); });
  };
})(window.theButton);
