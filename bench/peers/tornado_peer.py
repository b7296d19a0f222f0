"""A Tornado WebSocket handler that keeps its clients in a set."""

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket

from bench.peers.message import count

clients = set()


class Handler(tornado.websocket.WebSocketHandler):
    def check_origin(self, origin):
        return True

    def open(self):
        clients.add(self)

    def on_close(self):
        clients.discard(self)


async def main():
    (socket,) = tornado.netutil.bind_sockets(0, "127.0.0.1", backlog=4096)
    server = tornado.httpserver.HTTPServer(tornado.web.Application([("/.*", Handler)]))
    server.add_socket(socket)
    print("port", socket.getsockname()[1], flush=True)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        for seq in range(int(line.split()[1])):
            text = "42" + json.dumps(["count", count(seq)], separators=(",", ":"))
            for client in clients:
                client.write_message(text)
            await asyncio.sleep(0)
        print("done", flush=True)


asyncio.run(main())
