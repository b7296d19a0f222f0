// A client with the official socket.io library: `node client.js URL TOKEN TRANSPORT...`. Presses three times, prints
// each received event as a line of JSON, and exits.
const { io } = require('socket.io-client');
const [url, token, ...transports] = process.argv.slice(2);
const socket = io(url, { transports, auth: { token } });
const print = (...what) => console.log(JSON.stringify(what));

socket.on('connect_error', (error) => { print('error', error.message); process.exit(); });
socket.on('count', async (count) => {
  print('count', count);
  if (count.cause === 'connect') {
    if (transports.length > 1 && socket.io.engine.transport.name === 'polling') { await new Promise((done) => socket.io.engine.once('upgrade', done)); }
    for (const key of ['a', 'b', 'b']) { print('result', await socket.timeout(20000).emitWithAck('press', { key })); }
    print('transport', socket.io.engine.transport.name);
    socket.disconnect();
  }
});
