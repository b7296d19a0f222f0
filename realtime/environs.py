"""The WSGI environ of each client's request, kept small: python-socketio keeps it as long as the client."""

import sys
from typing import Any

#: What differs from client to client; the rest is the same for all that come with the same browser.
_OWN = ("REMOTE_ADDR", "QUERY_STRING", "HTTP_COOKIE")
#: What is of no use once the request has been answered, or would keep its connection alive.
_PASSED = ("wsgi.input", "wsgi.errors", "realtime.connection", "HTTP_SEC_WEBSOCKET_KEY", "REMOTE_PORT")
#: Kinds of browser whose common part is kept once.
_MOST_SHARED = 256


class Environs(dict[str, Any]):
    """Engine.IO sid → environ. `shrink(sid)` keeps 100 bytes of it; who asks for it gets it whole again."""

    def __init__(self) -> None:
        super().__init__()
        self._shared: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}

    def shrink(self, sid: str) -> None:
        """Keep of the environ of `sid` what an event's handler may want to see."""
        environ = super().get(sid)
        if not isinstance(environ, dict):
            return
        rest = {
            key: value
            for key, value in environ.items()
            if key not in _OWN and key not in _PASSED and not key.startswith("werkzeug.")
        }
        key = tuple((name, value) for name, value in rest.items() if isinstance(value, str))
        shared = self._shared.get(key)
        if shared is None:
            if len(self._shared) >= _MOST_SHARED:
                self._shared.clear()  # those who have a part of it keep it
            self._shared[key] = shared = rest
        own = tuple(sys.intern(environ[name]) if name in environ else None for name in _OWN)
        self[sid] = (shared, own)

    def __getitem__(self, sid: str) -> Any:
        kept = super().__getitem__(sid)
        if isinstance(kept, tuple):
            shared, own = kept
            kept = shared | {name: value for name, value in zip(_OWN, own, strict=True) if value is not None}
            self[sid] = kept
        return kept

    def get(self, sid: str, default: Any = None) -> Any:
        """The environ of `sid`, whole."""
        return self[sid] if sid in self else default  # noqa: SIM401 - that would be this very method
