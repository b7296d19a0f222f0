"""The WSGI environ of each client's request, kept small: python-socketio keeps it as long as the client."""

import sys
from typing import Any

#: What differs from client to client; the rest is the same for all that come with the same browser.
_OWN = ("REMOTE_ADDR", "QUERY_STRING", "HTTP_COOKIE")
#: What is of no use once the request has been answered, or would keep its connection alive.
_PASSED = ("wsgi.input", "wsgi.errors", "realtime.connection", "HTTP_SEC_WEBSOCKET_KEY", "REMOTE_PORT")
#: Names of objects that all clients have in common.
_SAME = ("wsgi.", "flask.app")
#: Kinds of browser whose common part is kept once.
_MOST_SHARED = 256


class Environs(dict[str, Any]):
    """Engine.IO sid → environ. `shrink(sid)` keeps 100 bytes of it; who asks for it gets it whole again."""

    def __init__(self) -> None:
        super().__init__()
        self._shared: dict[tuple[str, ...], dict[str, Any]] = {}

    def shrink(self, sid: str) -> None:
        """Keep of the environ of `sid` what an event's handler may want to see."""
        environ = super().get(sid)
        if not isinstance(environ, dict):
            return
        rest = environ.copy()
        own = tuple(sys.intern(rest.pop(name)) if name in rest else None for name in _OWN)
        for name in _PASSED:
            rest.pop(name, None)
        for name in [name for name in rest if name.startswith("werkzeug.")]:
            del rest[name]
        texts = [value for value in rest.values() if isinstance(value, str)]
        objects = [name for name in rest if not isinstance(rest[name], str) and not name.startswith(_SAME)]
        added = {name: rest.pop(name) for name in objects}  # such as Flask-SocketIO's saved session
        shared = self._share((*rest, *texts), rest)
        self[sid] = (shared, own, added or None)

    def _share(self, key: tuple[str, ...], rest: dict[str, Any]) -> dict[str, Any]:
        shared = self._shared.get(key)
        if shared is None:
            if len(self._shared) >= _MOST_SHARED:
                self._shared.clear()  # those who have a part of it keep it
            self._shared[key] = shared = rest
        return shared

    def __getitem__(self, sid: str) -> Any:
        kept = super().__getitem__(sid)
        if isinstance(kept, tuple):
            shared, own, added = kept
            named = zip(_OWN, own, strict=True)
            kept = {**shared, **{name: value for name, value in named if value is not None}, **(added or {})}
            self[sid] = kept
        return kept

    def get(self, sid: str, default: Any = None) -> Any:
        """The environ of `sid`, whole."""
        return self[sid] if sid in self else default  # noqa: SIM401 - that would be this very method
