"""Consistency of the documentation with the program."""

import importlib
import json
import os
import re
import subprocess
import sys
import threading
import tomllib

import generated_docs
import pytest
from server import DEADLINE, ROOT, TOKEN

sys.path.insert(0, str(ROOT))
from integrations.webhook_message import message
from storage import Event

README = (ROOT / "README.md").read_text()


def app(*arguments):
    """Return the output of app.py. Importing app.py would patch this process."""
    command = [sys.executable, ROOT / "app.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_readme_contains_the_current_settings_table():
    """Run `make docs` to update the table."""
    assert (
        generated_docs.replaced(generated_docs.README, "settings", generated_docs.settings_table()) == README
    )


@pytest.mark.parametrize(
    "path", ["/graph", "/admin", "/api/count", "/api/openapi.json", "/healthz", "/metrics"]
)
def test_readme_lists_every_entry_point(path):
    assert path in README


@pytest.mark.parametrize(
    "command", ["set-password", "backup", "restore", "import", "button", "--demo", "--open"]
)
def test_readme_lists_every_command(command):
    assert f"app.py {command}" in README
    assert command in app("--help")


@pytest.mark.parametrize("target", re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M))
def test_every_make_target_is_phony(target):
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert target in phony


#: Text of the user documentation.
DOCS = README + "".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
#: URL prefix of each blueprint.
PREFIXES = {"admin": "/admin", "api": "/api", "pages": "", "monitoring": ""}
#: Routes that only browsers request.
BROWSER_ROUTES = {
    "/static/<path:name>",
    "/favicon.ico",
    "/apple-touch-icon.png",
    "/apple-touch-icon-precomposed.png",
}


def routes():
    for path in sorted((ROOT / "web").glob("*.py")):
        for name, route in re.findall(r"^@(\w+)\.(?:get|post|put)\(\"([^\"]*)\"", path.read_text(), re.M):
            yield PREFIXES[name] + route


@pytest.mark.parametrize("route", sorted(set(routes()) - BROWSER_ROUTES))
def test_every_route_is_documented(route):
    assert route in DOCS


def test_every_event_is_documented():
    text = (ROOT / "web/screens.py").read_text()
    events = set(re.findall(r"emit\(\s*\"(\w+)\"", text)) | {"press"}
    assert events == {"count", "info", "samples", "press"}
    docs = (ROOT / "docs/api.md").read_text()
    for event in events:
        assert re.search(rf"^\| `/(graph)?` \| `{event}` \|", docs, re.M), event


def test_operating_guide_contains_the_current_metrics():
    """Run `make docs` to update the table."""
    text = generated_docs.metrics()
    operating = generated_docs.OPERATING
    assert (
        generated_docs.replaced(operating, "metrics", generated_docs.metrics_table(text))
        == operating.read_text()
    )
    foreign = re.findall(r"^# TYPE ((?:process|python)_\w+)", text, re.M)
    assert [name for name in foreign if f"`{name}`" not in operating.read_text()] == []


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / path).read_text(), re.S)


def test_readme_curl_commands_work(start):
    """Test the README's curl block and compare its Python block with docs/feed.md.

    test_install.py covers the block with `make run`.
    """
    server = start()
    _, curls = blocks("README.md", "sh")
    assert blocks("README.md", "python") == blocks("docs/feed.md", "python")[:1]
    script = curls.replace("http://localhost:8000", server.url).replace("curl ", "curl --fail --silent ")
    done = subprocess.run(
        ["sh", "-euc", script],
        env={"PATH": os.environ["PATH"], "TOKEN": TOKEN},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert [event["kind"] for event in server.history()] == ["press", "undo", "goal"]
    for block in blocks("docs/api.md", "sh"):
        assert set(block.splitlines()) <= set(curls.splitlines())


def test_example_program_in_the_api_docs_presses(start):
    server = start()
    (program,) = blocks("docs/api.md", "python")
    program = program.replace("http://localhost:8000", server.url)
    program = program.replace("the BUTTON_API_TOKEN", TOKEN)
    running = subprocess.Popen([sys.executable, "-uc", program], stdout=subprocess.PIPE, text=True)
    guard = threading.Timer(DEADLINE, running.kill)
    guard.start()
    seen = ""
    try:
        while not all(part in seen for part in ("20 to go", "19 to go", "'ok': True")):
            line = running.stdout.readline()
            assert line, seen
            seen += line
    finally:
        guard.cancel()
        running.kill()
        running.wait()
        running.stdout.close()
    assert server.count()["seq"] == 1


def test_sample_payload_in_the_webhook_docs_matches_the_message():
    (sample,) = blocks("docs/webhook.md", "json")
    sent = json.loads(sample)
    event = Event(**{name: sent[name] for name in sent if name in Event._fields})
    assert message(event) == sent


@pytest.mark.parametrize("program", blocks("docs/webhook.md", "python"))
def test_bridge_programs_in_the_webhook_docs_are_valid_python(program):
    compile(program, "webhook.md", "exec")


def test_changelog_has_an_entry_for_this_version():
    version = app("--version").strip()
    assert re.search(
        rf"^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )


def test_version_is_in_one_place():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["project"]["dynamic"] == ["version"]
    module, _, name = settings["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")
    assert getattr(importlib.import_module(module), name) == app("--version").strip()


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "realtime/README.md",
        *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_every_image_and_link_target_exists(path):
    here = (ROOT / path).parent
    for link, _, part in (
        found.partition("#") for found in re.findall(r"\]\(([^)]+)\)", (ROOT / path).read_text())
    ):
        if link.startswith("http"):
            continue
        target = here / link if link else ROOT / path
        assert target.exists(), link
        if part:
            titles = re.findall(r"^#+ (.*)", target.read_text(), re.M)
            assert part in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], part
