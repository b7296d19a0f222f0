"""The documented recipes, run with the programs that they are for."""

import base64
import contextlib
import getpass
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import jinja2
import paho.mqtt.client as mqtt
import pytest
import requests
import yaml
from graph import endpoint_of
from server import DEADLINE, ROOT, TOKEN, until


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / path).read_text(), re.S)


def block(path, language, containing):
    (found,) = [text for text in blocks(path, language) if containing in text]
    return found


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def running(*command, **options):
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def crm_requests():
    """Yield the service, method, authorization, key and body of each row in the docs."""
    text = (ROOT / "docs/integrations.md").read_text()
    for row in re.findall(r"^\| (.*) \|$", text, re.M)[2:]:
        service, method, url, authorization, key, body = row.split(" | ")
        assert url == "`https://button.example.com/api/press`"
        words = [re.findall(r"`([^`]*)`", cell) for cell in (method, authorization, key, body)]
        yield pytest.param(*words, id=service)


@pytest.mark.parametrize(("method", "authorization", "key", "body"), list(crm_requests()))
def test_request_of_each_crm_counts_once_for_its_key(shared, method, authorization, key, body):
    *name, credentials = [word.replace("TOKEN", TOKEN) for word in authorization]
    if name == ["Authorization"]:
        headers = {"Authorization": credentials}
    else:
        pair = f"{name[0]}:{credentials}".encode()
        headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
    headers |= dict([key] if key else [])
    if body:
        headers["Content-Type"] = "application/json"
    statuses = [
        requests.request(
            method[0], f"{shared.url}/api/press", headers=headers, data="".join(body), timeout=DEADLINE
        ).status_code
        for _ in range(2)
    ]
    assert statuses == ([201, 200] if key else [201, 201])


def test_code_of_the_hubspot_action_counts_each_deal_once(shared):
    before = shared.count()["seq"]
    code = block("docs/integrations.md", "js", "exports.main")
    call = (
        "(async () => { for (const id of [612, 612, 613]) await exports.main({object: {objectId: id}}) })()"
    )
    script = code.replace("https://button.example.com", shared.url) + call
    subprocess.run(["node", "-e", script], env={**os.environ, "BUTTON_TOKEN": TOKEN}, check=True)
    assert shared.count()["seq"] == before + 2


def test_program_that_publishes_one_value_ends_after_it_arrived(shared, watch_graph):
    graph = watch_graph(shared)
    program = block("docs/feed.md", "python", "XPUB").replace("tcp://127.0.0.1:5555", endpoint_of(shared))
    subprocess.run([sys.executable, "-c", program], check=True, timeout=DEADLINE)
    until(lambda: graph.events[-1][1].get("Coffee"), "the value")
    ((_, value),) = graph.events[-1][1]["Coffee"]
    assert value == 21.5


def test_home_assistant_configuration_reads_the_count_and_presses(shared):
    class Loader(yaml.SafeLoader):
        pass

    secrets = {"the_button_token": f"Bearer {TOKEN}"}
    Loader.add_constructor("!secret", lambda loader, node: secrets[loader.construct_scalar(node)])
    text = block("docs/webhook.md", "yaml", "rest_command").replace("http://the-pi", shared.url)
    config = yaml.load(text, Loader)
    before = shared.count()["seq"]
    press = config["rest_command"]["the_button_press"]
    requests.request(press["method"], press["url"], headers=press["headers"], timeout=DEADLINE)
    (rest,) = config["rest"]
    (sensor,) = rest["sensor"]
    values = requests.get(rest["resource"], timeout=DEADLINE).json()
    assert values["seq"] == before + 1
    shown = jinja2.Template(sensor["value_template"]).render(value_json=values)
    assert shown == str(values["count"])
    assert set(sensor["json_attributes"]) <= set(values)


class Page:
    """A server on another origin, whose page shows a URL in a frame."""

    def __init__(self, url):
        html = f'<iframe src="{url}" width=640 height=360></iframe>'.encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(html)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.mark.slow
def test_allowed_frame_shows_the_live_count(start, open_page):
    port = free_port()
    page = Page(f"http://127.0.0.1:{port}/?theme=dark&sound=off")
    try:
        server = start(port=port, frame_ancestors=page.url)
        frame = open_page(page, "/").frame_locator("iframe")
        frame.locator("#status[data-state=connected]").wait_for()
        server.press()
        frame.locator("#count", has_text="19").wait_for()
    finally:
        page.close()


@pytest.fixture
def broker(tmp_path):
    """Return a context manager that runs Mosquitto on a port, without persistence."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")

    @contextlib.contextmanager
    def broker(port):
        config = tmp_path / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        with running(program, "-c", config, stderr=subprocess.DEVNULL) as process:

            def accepts():
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    return True

            until(accepts, "the broker")
            yield process

    return broker


@contextlib.contextmanager
def subscribed(port):
    """Yield the counts that a new subscriber receives, beginning with the retained one."""
    counts = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe("button/count")
    client.on_message = lambda _client, _data, message: counts.append(json.loads(message.payload)["count"])
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield counts
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.slow
def test_mqtt_bridge_survives_restarts_of_broker_and_server(server, broker):
    port = free_port()
    program = block("docs/webhook.md", "python", "paho").replace("http://localhost:8000", server.url)
    program = program.replace('"localhost", 1883', f'"127.0.0.1", {port}')
    with running(sys.executable, "-c", program) as bridge:  # the broker is not running yet
        with broker(port), subscribed(port) as counts:
            until(lambda: counts, "the first count")
            server.press()
            until(lambda: counts[-1] == 19, "the press")
        server.press()  # the broker is down and has lost its data
        with broker(port):
            with subscribed(port) as counts:
                until(lambda: counts and counts[-1] == 18, "the count after the broker's restart")
            server.restart()
            server.press()
            with subscribed(port) as counts:
                until(lambda: counts and counts[-1] == 17, "the count after the server's restart")
        assert bridge.poll() is None


#: An nginx password file, with the passwords after {PLAIN}.
HTPASSWD = f"office:{{PLAIN}}tea\napi:{{PLAIN}}{TOKEN}\n"


@pytest.mark.slow
def test_api_works_behind_a_proxy_with_basic_authentication(server, tmp_path):
    port = free_port()
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    block_in_docs = block("docs/security.md", "nginx", "auth_basic_user_file")
    for old, new in (
        ("/etc/nginx/htpasswd", f"{tmp_path}/htpasswd"),
        ("http://127.0.0.1:8000", server.url),
    ):
        assert old in block_in_docs
        block_in_docs = block_in_docs.replace(old, new)
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"user {getpass.getuser()}; daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/log;\n"
        f"events {{}} http {{ access_log off; client_body_temp_path {tmp_path}/body;\n"
        f"proxy_temp_path {tmp_path}/temp; fastcgi_temp_path {tmp_path}/fastcgi;\n"
        f"uwsgi_temp_path {tmp_path}/uwsgi; scgi_temp_path {tmp_path}/scgi;\n"
        f"server {{ listen 127.0.0.1:{port}; {block_in_docs}\n"
        f"location / {{ proxy_pass {server.url}; proxy_set_header Host $http_host; }} }} }}\n"
    )
    with running("nginx", "-p", tmp_path, "-e", "log", "-c", config) as nginx:
        url = f"http://127.0.0.1:{port}"

        def status(method, path, **options):
            with contextlib.suppress(requests.ConnectionError):
                return requests.request(method, url + path, timeout=DEADLINE, **options).status_code

        until(lambda: status("GET", "/"), "nginx")
        assert nginx.poll() is None
        assert status("GET", "/") == 401
        assert status("GET", "/", auth=("office", "tea")) == 200
        assert status("POST", "/api/press", headers={"Authorization": f"Bearer {TOKEN}"}) == 201
        assert status("POST", "/api/press", auth=("api", TOKEN)) == 201
        assert status("POST", "/api/press", auth=("office", "tea")) == 401
        assert status("GET", "/", auth=("api", TOKEN)) == 200
