"""Flask extension on top of this package's server, with `run()` and `stop()`."""

from functools import partial
from typing import Any

import flask
import flask_socketio
from gevent import event as gevent_event

from .http_server import HTTPServer, serve
from .socketio import SocketIOServer


class _AppJSON:
    """Flask's JSON functions, called in an application context."""

    def __init__(self, app: flask.Flask) -> None:
        self._app = app

    def dumps(self, *arguments: Any, **options: Any) -> str:
        with self._app.app_context():
            return flask.json.dumps(*arguments, **options)

    def loads(self, *arguments: Any, **options: Any) -> Any:
        with self._app.app_context():
            return flask.json.loads(*arguments, **options)


class SocketIO(flask_socketio.SocketIO):
    """Flask-SocketIO on this package's server. `message_queue` is not supported."""

    def __init__(self, app: flask.Flask | None = None, **options: Any) -> None:
        self._stopped = gevent_event.Event()
        super().__init__(app, **options)

    def init_app(self, app: flask.Flask, **options: Any) -> None:
        """Attach to a Flask application."""
        app.extensions["socketio"] = self
        self.server_options.update(options)
        self.manage_session: bool = self.server_options.pop("manage_session", True)
        if self.server_options.get("json") is flask.json:
            self.server_options["json"] = _AppJSON(app)
        path = (
            self.server_options.pop("path", None) or self.server_options.pop("resource", None) or "socket.io"
        )
        self.server = SocketIOServer(**self.server_options)
        self.async_mode = self.server.async_mode
        for event, handler, namespace in self.handlers:
            self.server.on(event, handler, namespace=namespace)
        for handler in self.namespace_handlers:
            self.server.register_namespace(handler)
        self.sockio_mw = flask_socketio._SocketIOMiddleware(self.server, app, socketio_path=path.lstrip("/"))
        app.wsgi_app = self.sockio_mw  # type: ignore[method-assign]

    def run(self, app: flask.Flask, host: str | None = None, port: int | None = None, **options: Any) -> None:
        """Serve `app` until `stop()` is called, like Flask-SocketIO. Blocks.

        Args:
            app: The application.
            host: Address to listen on; None means 127.0.0.1.
            port: Port; None means the one in `SERVER_NAME`, or 5000.
            options: `debug`, `use_reloader` (default: `debug`), `reloader_options` and `extra_files`;
                `log_output` and `allow_unsafe_werkzeug` have no effect.

        Raises:
            OSError: The address cannot be bound.
            TypeError: An option is not supported, such as the TLS options.
        """
        app.debug = options.pop("debug", app.debug)
        use_reloader = options.pop("use_reloader", app.debug)
        reloader = {"extra_files": options.pop("extra_files", None), **options.pop("reloader_options", {})}
        unknown = options.keys() - {"log_output", "allow_unsafe_werkzeug"}
        if unknown:
            raise TypeError(f"run(): {', '.join(sorted(unknown))} not supported; for TLS use a proxy")
        if port is None:
            _, _, named = (app.config["SERVER_NAME"] or "").rpartition(":")
            port = int(named) if named.isdecimal() else 5000
        run_server = partial(self._run_server, app, host or "127.0.0.1", port)
        if use_reloader:
            flask_socketio.run_with_reloader(run_server, **reloader)
        else:
            run_server()

    def _run_server(self, app: flask.Flask, host: str, port: int) -> None:
        self._stopped.clear()
        self.wsgi_server: HTTPServer = serve(app, host, port)
        self._stopped.wait()

    def stop(self) -> None:
        """Stop the server that `run()` started, after which every client reconnects."""
        self.wsgi_server.close()
        self._stopped.set()
