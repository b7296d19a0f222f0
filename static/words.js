// The count and the connection in words. ES5.
(function (button) {
  var title = button.byId('title');

  // A number with the noun from BUTTON_NOUN: '1 deal', '2 deals'.
  button.quantity = function (number) {
    return number + ' ' + title.getAttribute(number === 1 ? 'data-noun' : 'data-nouns');
  };

  // A count: '17 of 20 deals to go'.
  button.toGo = function (count) {
    return count.count + ' of ' + count.goal + ' ' + title.getAttribute('data-nouns') + ' to go';
  };

  // A count as a sentence for screen readers.
  button.sentence = function (count) {
    if (count.cause === 'press' && count.count === 0) { return 'Goal reached.'; }
    if (count.cause === 'press' && count.count === count.goal) {
      return 'The next round begins: ' + button.quantity(count.goal) + ' to go.';
    }
    return button.quantity(count.count) + ' to go.';
  };

  // Updates the status line: #status with its lamp and text.
  button.showStatus = function (state, transport, since) {
    var line = button.byId('status');
    var text = state === 'connected' ? 'Connected: ' + transport
      : state === 'connecting' ? 'Connecting' : 'Reconnecting' + (since ? ' · as of ' + since : '');
    line.setAttribute('data-state', state);
    line.setAttribute('data-transport', transport);
    button.setText(button.byId('words'), text);
  };
})(window.theButton);
