// A client of socket.io's own library: `node client.js URL TOKEN TRANSPORT...`. Presses three times, prints each
// thing that it hears as a line of JSON, and ends.
const { io } = require('socket.io-client');
const [url, token, ...transports] = process.argv.slice(2);
const socket = io(url, { transports, auth: { token } });
const tell = (...what) => console.log(JSON.stringify(what));

socket.on('connect_error', (error) => { tell('error', error.message); process.exit(); });
socket.on('count', async (count) => {
  tell('count', count);
  if (count.cause === 'connect') {
    if (transports.length > 1 && socket.io.engine.transport.name === 'polling') { await new Promise((done) => socket.io.engine.once('upgrade', done)); }
    for (const key of ['a', 'b', 'b']) { tell('answer', await socket.timeout(20000).emitWithAck('press', { key })); }
    tell('transport', socket.io.engine.transport.name);
    socket.disconnect();
  }
});
