"""Compact storage for the WSGI environ of each session's first request."""

from collections.abc import Mapping
from typing import Any

#: Stored environ keys, with the maximum number of characters of each value. Longer values are dropped.
LIMITS = {
    "REMOTE_ADDR": 64,
    "QUERY_STRING": 512,
    "HTTP_HOST": 255,
    "HTTP_ORIGIN": 255,
    "HTTP_USER_AGENT": 256,
    "HTTP_COOKIE": 4096,
    "wsgi.url_scheme": 5,
}
#: Maximum characters stored for all sessions. Beyond that, values longer than `SHORT_COOKIE` are dropped.
MAX_STORED = 16 * 2**20
SHORT_COOKIE = 256

_SEPARATOR = "\n"  # never occurs in a header value
#: Prefixes of the keys that libraries add while handling a request. These are not stored.
_TRANSIENT = ("werkzeug.", "wsgi.", "flask.")
_COMMON = (
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SCRIPT_NAME",
    "PATH_INFO",
    "REQUEST_METHOD",
    "flask.app",
)


class EnvironStore(dict[str, Any]):
    """Mapping of Engine.IO sids to WSGI environs, which replaces python-socketio's dict.

    `shrink(sid)` reduces an environ to the values named in `LIMITS`, about 300 bytes for a browser. From then
    on, each lookup builds a new dict from these. Values that an application adds to such a dict, as
    Flask-SocketIO does with its session, also appear in later lookups.
    """

    def __init__(self) -> None:
        super().__init__()
        self._common: dict[str, Any] | None = None  # values common to all environs of this server
        self._stored = 0

    def shrink(self, sid: str) -> None:
        """Store the environ of `sid` compactly."""
        environ = super().get(sid)
        if type(environ) is not dict:
            return
        if self._common is None:
            self._common = {name: value for name, value in environ.items() if _is_common(name)}
        values = [_limited(environ, name, limit) for name, limit in LIMITS.items()]
        if self._stored > MAX_STORED:
            values = [value if len(value) <= SHORT_COOKIE else "" for value in values]
        packed = _SEPARATOR.join(values).encode("latin-1", "replace")
        self._stored += len(packed)
        super().__setitem__(sid, packed)

    def __getitem__(self, sid: str) -> Any:
        stored = super().__getitem__(sid)
        if isinstance(stored, tuple):
            packed, extras = stored
        elif isinstance(stored, bytes):
            packed, extras = stored, {}
        else:
            return stored
        values = zip(LIMITS, packed.decode("latin-1").split(_SEPARATOR), strict=True)
        return _Environ(
            self, sid, {name: value for name, value in values if value}, self._common or {}, extras
        )

    def get(self, sid: str, default: Any = None) -> Any:
        """Return the environ of `sid`."""
        return self[sid] if sid in self else default  # noqa: SIM401 - it would recurse

    def __delitem__(self, sid: str) -> None:
        self._stored -= len(self._packed(sid))
        super().__delitem__(sid)

    def keep(self, sid: str, name: str, value: Any) -> None:
        """Store a value that an application added to the environ of `sid`."""
        stored = super().get(sid)
        if isinstance(stored, bytes):
            super().__setitem__(sid, (stored, {name: value}))
        elif isinstance(stored, tuple):
            stored[1][name] = value

    def _packed(self, sid: str) -> bytes:
        stored = super().get(sid)
        if isinstance(stored, tuple):
            stored = stored[0]
        return stored if isinstance(stored, bytes) else b""


class _Environ(dict[str, Any]):
    """A looked-up environ, which stores the values that are added to it."""

    def __init__(self, store: EnvironStore, sid: str, *parts: dict[str, Any]) -> None:
        super().__init__()
        for part in parts:
            self.update(part)
        self._store = store
        self._sid = sid

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if not name.startswith(_TRANSIENT):
            self._store.keep(self._sid, name, value)


def _is_common(name: str) -> bool:
    return name in _COMMON or (
        name.startswith("wsgi.") and name not in (*LIMITS, "wsgi.input", "wsgi.errors")
    )


def _limited(environ: Mapping[str, Any], name: str, limit: int) -> str:
    value = environ.get(name)
    return value if isinstance(value, str) and len(value) <= limit and _SEPARATOR not in value else ""
