// The admin page: asks before a reset, and follows the count live. ES5.
(function (button) {
  var byId = button.byId, socket = io({ transports: ['polling', 'websocket'] }), first = true, seq = null;

  function ask(form) {
    form.onsubmit = function () { return window.confirm(form.getAttribute('data-ask')); };
  }
  for (var i = 0; i < document.forms.length; i += 1) {
    if (document.forms[i].getAttribute('data-ask')) { ask(document.forms[i]); }
  }

  socket.on('connect', function () { first = true; });
  socket.on('count', function (count) {
    var known = seq;
    if (!first && count.seq <= seq) { return; }
    first = false;
    seq = count.seq;
    button.setText(byId('count'), count.count);
    button.setText(byId('goal'), count.goal);
    if (known !== null && count.seq !== known) {
      button.setText(byId('newer'), 'Something has changed since this page was made. Reload it to see the change, and to undo it.');
    }
  });
})(window.theButton);
