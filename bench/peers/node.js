// A peer with socket.io (`node node.js socketio`) or plain ws (`node node.js ws`).
const http = require('http');
const server = http.createServer((request, response) => response.end());
const count = (seq) => ({ count: 17, goal: 20, seq: 100000 + seq, cause: 'press', at: 1763760000.123 });
let send;
if (process.argv[2] === 'ws') {
  const { WebSocketServer } = require('ws');
  const sockets = new WebSocketServer({ server });
  send = (seq) => {
    const text = '42' + JSON.stringify(['count', count(seq)]);
    for (const client of sockets.clients) client.send(text);
  };
} else {
  const { Server } = require('socket.io');
  const io = new Server(server, { pingInterval: 25000 });
  send = (seq) => io.emit('count', count(seq));
}
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log('port', server.address().port));
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const [, times, pause] = line.split(' ');
  let seq = 0;
  const next = () => {
    if (seq === Number(times)) { console.log('done'); return; }
    send(seq);
    seq += 1;
    if (pause) setTimeout(next, Number(pause) * 1000); else setImmediate(next);
  };
  next();
});
