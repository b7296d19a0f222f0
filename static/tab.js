// The browser's tab: the number in its title and on its icon, for who has the page in the background. ES5.
(function (button) {
  var PAGE = /^(\d+ · )?((Graph|Admin) · )?/.exec(document.title)[2] || '';

  function icon(number) {
    var paper = document.createElement('canvas'), pen = paper.getContext && paper.getContext('2d'), link = button.byId('icon');
    if (!pen || !paper.toDataURL) { return; }
    paper.width = paper.height = 64;
    pen.beginPath();
    pen.arc(32, 32, 31, 0, Math.PI * 2, false);
    pen.fillStyle = number === 0 ? '#f4b41f' : '#1a47c4';
    pen.fill();
    pen.fillStyle = number === 0 ? '#3a2500' : '#ffffff';
    pen.font = 'bold ' + [44, 44, 38, 28, 22][String(number).length] + 'px Arial, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillText(number, 32, 34);
    try { link.href = paper.toDataURL('image/png'); } catch (error) { /* it keeps the icon it has */ }
  }

  // Shows a count in the heading, which has the goal, in the title and on the icon.
  button.showHeading = function (count) {
    var title = button.byId('title'), name = title.getAttribute('data-title').split('{goal}').join(count.goal);
    button.setText(title, name);
    document.title = count.count + ' · ' + PAGE + name;
    icon(count.count);
  };

  // A count in words, for those who hear the page.
  button.sentence = function (count) {
    var deals = button.nouns;
    if (count.cause === 'press' && count.count === 0) { return 'Goal reached.'; }
    if (count.cause === 'press' && count.count === count.goal) { return 'The next round begins: ' + deals(count.goal) + ' to go.'; }
    return deals(count.count) + ' to go.';
  };
})(window.theButton);
