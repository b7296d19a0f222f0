"""From one event to every screen: Socket.IO on gevent, for any Flask-SocketIO program.

socketio = create_socketio(app, newest_only={"price"})
server = serve(app, "127.0.0.1", 8000)
socketio.emit("price", 42)
"""

from .fanout import create_socketio
from .server import Server, serve

__all__ = ["Server", "create_socketio", "serve"]
