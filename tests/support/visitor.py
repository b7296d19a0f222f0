"""A visitor of the admin pages."""

import re

import requests
from server import DEADLINE, PASSWORD


class Visitor:
    """A visitor with a browser without JavaScript."""

    def __init__(self, server, address=None):
        self.server = server
        self.session = requests.Session()
        if address:
            self.session.headers["X-Forwarded-For"] = address

    def get(self, path=""):
        return self.session.get(f"{self.server.url}/admin{path}", timeout=DEADLINE)

    def token(self):
        return re.search(r'name="csrf_token" value="(\w+)"', self.get().text)[1]

    def post(self, path, token=None, **fields):
        if token is None:
            token = self.token()
        headers = fields.pop("headers", {})
        return self.session.post(
            f"{self.server.url}/admin/{path}",
            data={"csrf_token": token} | fields,
            headers=headers,
            timeout=DEADLINE,
            allow_redirects=False,
        )

    def sign_in(self, password=PASSWORD):
        return self.post("login", password=password)

    def close(self):
        self.session.close()
