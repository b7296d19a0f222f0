"""The container image, built and run without a daemon."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading

import psutil
import pytest
import requests
import yaml
from debian import CERTIFICATES, DebianRoot
from server import DEADLINE, ROOT, TOKEN, until

from settings import table

pytestmark = pytest.mark.slow

BASE = re.search(r"^FROM (\S+)$", (ROOT / "deploy/Dockerfile").read_text(), re.M)[1]
COMPOSE = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())


class Containers:
    """Images and containers in a folder."""

    def __init__(self, folder):
        self._options = ["--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "vfs"]

    def command(self, *arguments):
        return ["buildah", *self._options, *arguments]

    def run(self, program, *arguments):
        command = [program, *self._options, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def containers(tmp_path_factory):
    """Containers with the image `the-button`.

    Its base image has the name in the Dockerfile, but is built from Debian's packages.
    """
    folder = tmp_path_factory.mktemp("containers")
    base = DebianRoot(folder, "bookworm", "python3-venv,ca-certificates")
    (base.root / "etc/pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
    shutil.rmtree(base.root / "root/the-button")
    tar = folder / "base.tar"
    subprocess.run(["tar", "-C", base.root, "-cf", tar, "."], check=True)
    containers = Containers(folder)
    containers.run("podman", "import", "--quiet", str(tar), BASE)
    shutil.rmtree(base.root)
    tar.unlink()
    build = ["--isolation", "chroot", "--format", "docker", "--pull-never", "-f", "deploy/Dockerfile"]
    containers.run("buildah", "bud", *build, "-t", "the-button", ".")
    yield containers
    shutil.rmtree(folder, ignore_errors=True)


class Container:
    """A container that runs the server on this machine's network."""

    def __init__(self, containers, **settings):
        name = containers.run("buildah", "from", "--pull-never", "the-button")
        config = json.loads(containers.run("buildah", "inspect", name))["Docker"]["config"]
        options = ["--isolation", "chroot", "--user", config["User"], "--workingdir", config["WorkingDir"]]
        settings = {"PORT": 0, "API_TOKEN": TOKEN, "FEED": "tcp://127.0.0.1:*"} | settings
        environ = [word for key, value in settings.items() for word in ("--env", f"BUTTON_{key}={value}")]
        self.config, self.log = config, []
        self._process = subprocess.Popen(
            containers.command("run", *options, *environ, name, "--", *config["Entrypoint"]),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: self.port or self._process.poll() is not None, "the server", 100)
        assert self.port, "".join(self.log)

    def _read(self):
        with self._process.stderr as pipe:
            self.log.extend(pipe)

    @property
    def port(self):
        found = re.search(r"Serving on http://0\.0\.0\.0:(\d+)\n", "".join(self.log))
        return found and int(found[1])

    def request(self, method, path):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"http://127.0.0.1:{self.port}{path}"
        return requests.request(method, url, headers=headers, timeout=DEADLINE)

    def servers(self):
        """Return the server's processes."""
        processes = psutil.Process(self._process.pid).children(recursive=True)
        return [each for each in processes if "/opt/the-button/app.py" in each.cmdline()[1:2]]

    def stop(self):
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in self.servers():
                process.terminate()
        status = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status


@pytest.fixture
def run(containers):
    running = []

    def run(**settings):
        running.append(Container(containers, **settings))
        return running[-1]

    yield run
    for container in running:
        container.stop()


def test_image_serves_and_counts_without_root(run):
    container = run()
    assert "<canvas" in container.request("GET", "/").text
    response = container.request("POST", "/api/press")
    assert (response.status_code, response.json()["count"]) == (201, 19)
    assert {process.uids().real for process in container.servers()} == {8000}
    assert "Database: /data/button.db\n" in container.log
    assert container.stop() == 0


def test_image_counts_on_postgresql(run, postgres):
    url = postgres.new()
    container = run(DATABASE=url)
    assert container.request("POST", "/api/press").json()["seq"] == 1
    assert container.stop() == 0
    assert run(DATABASE=url).request("GET", "/api/count").json()["count"] == 19


def test_health_check_follows_the_server(run):
    container = run()
    kind, *check = container.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    # Python's path in the image differs from the one on this machine.
    check = [shutil.which("python3"), *check[1:]]
    environ = os.environ | {"BUTTON_PORT": str(container.port)}
    assert subprocess.run(check, env=environ).returncode == 0
    container.stop()
    assert subprocess.run(check, env=environ, stderr=subprocess.DEVNULL).returncode != 0


def test_compose_file_uses_the_image_and_known_settings():
    button = COMPOSE["services"]["button"]
    assert (ROOT / "deploy" / button["build"]["context"] / button["build"]["dockerfile"]).exists()
    assert set(button["environment"]) <= {name for name, _, _ in table()}
    used = {each.split(":")[0] for service in COMPOSE["services"].values() for each in service["volumes"]}
    assert used == set(COMPOSE["volumes"])
