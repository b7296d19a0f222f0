"""The Flask app in the test's process, with a real database and no sockets."""

import re

import gevent
from server import PASSWORD, TOKEN

from settings import Settings
from storage import Accounts, Change, Store, open_database
from web import Context, Metrics, create_app
from web.assets import load_assets

ASSETS = load_assets()


class Site:
    """The app on a database in `folder`, with a Flask test client.

    Names of settings are in lower case, without BUTTON_.
    """

    url = "http://localhost:8000"
    port = 8000

    def __init__(self, folder, **settings):
        settings = {
            "database": f"sqlite:///{folder / 'button.db'}",
            "admin_password": PASSWORD,
            "api_token": TOKEN,
        } | settings
        environ = {
            f"BUTTON_{name.upper()}": str(value) for name, value in settings.items() if value is not None
        }
        self.settings = Settings.from_environ(environ)
        self.database = open_database(self.settings.database, self.settings.goal or 20)
        self.accounts = Accounts(self.database)
        self.store = Store(self.database)
        for task in self.store.tasks():
            gevent.spawn(task)
        context = Context(
            "1", self.settings, self.database, self.store, self.accounts, self._health, Metrics(),
            assets=dict(ASSETS),
        )  # fmt: skip
        self.app, self.screens = create_app(context, max_clients=100)
        self.store.subscribe(self.screens.broadcast)
        self._client = self.app.test_client(use_cookies=False)

    def close(self):
        self.store.stop(5)
        self.store.close()
        self.database.close()

    def ensure_password(self):
        """Set the configured password or return a new random one, like a server at startup."""
        return self.accounts.ensure_password(self.settings.admin_password)

    def _health(self):
        return {"database": self.store.status(), "clients": self.screens.status()}

    def get(self, path="/", **arguments):
        return self._client.get(path, base_url=self.url, **arguments)

    def request(self, method, path, **arguments):
        return self._client.open(path, method=method, base_url=self.url, **arguments)

    def count(self):
        return self.get("/api/count").json

    def api(self, path, method="POST", token=TOKEN, key=None, **arguments):
        headers = arguments.pop("headers", {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.request(method, f"/api/{path}", headers=headers, **arguments)

    def press(self, number=1):
        """Record presses and return the count."""
        for _ in range(number):
            event = self.store.submit(Change("press", "api")).event
        return event.as_count()

    def history(self):
        return self.get("/api/history?limit=1000").json["events"]

    def screen(self, **auth):
        """Return a connected Flask-SocketIO test client."""
        return self.app.extensions["socketio"].test_client(self.app, auth=auth or None)

    def health(self):
        return self.get("/healthz")


class SiteVisitor:
    """A visitor of a site's admin pages, with a browser without JavaScript."""

    def __init__(self, site, address=None):
        self.site = site
        self.client = site.app.test_client()
        self.headers = {"X-Forwarded-For": address} if address else {}

    def get(self, path=""):
        return self.client.get(
            f"/admin{path}", base_url=self.site.url, headers=self.headers, follow_redirects=True
        )

    def token(self):
        return re.search(r'name="csrf_token" value="(\w+)"', self.get().text)[1]

    def post(self, path, token=None, **fields):
        if token is None:
            token = self.token()
        headers = self.headers | fields.pop("headers", {})
        data = {"csrf_token": token} | fields
        return self.client.post(f"/admin/{path}", base_url=self.site.url, data=data, headers=headers)

    def sign_in(self, password=PASSWORD):
        return self.post("login", password=password)
