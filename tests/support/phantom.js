// Drives PhantomJS: `phantomjs phantom.js URL WIDTH HEIGHT PICTURE [COOKIE VALUE]`.
// Prints a line of JSON for each change of the page's state and for each script error. As soon as PICTURE.now
// exists, saves a screenshot to PICTURE and exits.
var page = require('webpage').create(), system = require('system'), args = system.args, fs = require('fs');
var printed = '';

function print(line) {
  system.stdout.writeLine(line);
  system.stdout.flush(); // console.log buffers if stdout is a pipe
}

function look() {
  function attribute(id, name) {
    var found = document.getElementById(id);
    return found ? found.getAttribute(name) : null;
  }
  function text(id) {
    var found = document.getElementById(id);
    return found ? found.textContent : null;
  }
  // Number of pixels dominated by red, green or blue (0, 1, 2), or -1 if there is no such canvas.
  function pixels(id, strongest) {
    var canvas = document.getElementById(id), data, i, number = 0, others = [[1, 2], [0, 2], [0, 1]][strongest];
    if (!canvas || !canvas.width) { return -1; }
    data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    for (i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200 && data[i + strongest] > data[i + others[0]] + 40 && data[i + strongest] > data[i + others[1]] + 40) {
        number += 1;
      }
    }
    return number;
  }
  return {
    count: text('count'), words: text('status'), state: attribute('status', 'data-state'),
    transport: attribute('status', 'data-transport'), label: attribute('ring', 'aria-label'),
    legend: text('legend'), green: pixels('ring', 1), blue: pixels('graph', 2),
    horns: window.theButton ? window.theButton.horns : -1
  };
}

page.viewportSize = { width: +args[2], height: +args[3] };
page.onError = function (message, trace) {
  print(JSON.stringify({ error: message + (trace && trace[0] ? ' at ' + trace[0].file + ':' + trace[0].line : '') }));
};
if (args[5]) { phantom.addCookie({ name: args[5], value: args[6], domain: '127.0.0.1', path: '/' }); }
page.open(args[1]); // without a callback, which would wait for the long poll
setInterval(function () {
  var state = JSON.stringify(page.evaluate(look));
  if (state !== printed) { printed = state; print(state); }
  if (fs.exists(args[4] + '.now')) { page.render(args[4]); phantom.exit(0); }
}, 50);
