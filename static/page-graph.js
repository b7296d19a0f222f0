// The graph page: its layout, and the data for its charts. ES5.
(function (button) {
  var byId = button.byId, body = document.body, root = document.documentElement;
  var live = button.liveChart, history = button.historyCharts;
  var MIN_HEIGHT = 130; // minimum height of the live chart in CSS pixels
  var isFirstBatch = true, socket, graph;

  function side() { return byId('mini').offsetWidth; }

  // Fits the charts to the screen. They are stacked if it is narrow.
  function layout() {
    var width = root.clientWidth, height = window.innerHeight || root.clientHeight;
    var narrow = width < 900 || height > width, padding = narrow ? 24 : 36, rows = narrow ? 3 : 1;
    var free, panel, empty, chart, fits;
    button.toggleClass(body, 'slim', narrow);
    // The height of everything else can only be measured with the charts in place.
    free = height - body.offsetHeight + byId('graph').offsetHeight + rows * byId('round').offsetHeight;
    // Without values, the live chart leaves its space to the other charts.
    empty = /\bempty\b/.test(body.className);
    if (narrow) {
      fits = free > 4 * 220;
      panel = fits ? Math.floor(free * (empty ? 0.28 : 0.18)) : 200;
      chart = fits ? free - 3 * panel : empty ? MIN_HEIGHT : Math.max(220, Math.floor(height * 0.42));
    } else {
      panel = Math.max(110, empty ? free - MIN_HEIGHT : Math.floor(free * 0.4));
      chart = Math.max(MIN_HEIGHT, free - panel);
    }
    live.resize(byId('live').offsetWidth - padding, chart);
    history.resize(byId('round').parentNode.offsetWidth - padding, panel);
  }

  live.onLegendGrowth(layout); // a taller legend leaves less space
  socket = button.startPage({
    layout: layout,
    side: side,
    shares: [0.29, 0.29, 0.29, 0.23, 0.19],
    onCount: history.update
  });
  graph = socket.io.socket('/graph');
  graph.on('connect', function () { isFirstBatch = true; });
  graph.on('samples', function (event) {
    live.addSamples(event, isFirstBatch);
    isFirstBatch = false;
  });
})(window.theButton);
