"""The documents tell the truth: what they list is what there is."""

import re
import subprocess
import sys
import tomllib

import pytest
from running import ROOT

from settings import table

README = (ROOT / "README.md").read_text()


def app(*arguments):
    """What the command line prints. (To import app.py would patch this process.)"""
    command = [sys.executable, ROOT / "app.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_readme_holds_the_table_of_settings():
    """`python tests/test_docs.py` writes it anew."""
    assert written() == README


@pytest.mark.parametrize(
    "path", ["/graph", "/admin", "/api/count", "/api/openapi.json", "/healthz", "/metrics"]
)
def test_the_readme_names_the_ways_in(path):
    assert path in README


@pytest.mark.parametrize("command", ["set-password", "backup", "restore", "button", "--demo", "--open"])
def test_the_readme_names_every_command(command):
    assert f"app.py {command}" in README
    assert command in app("--help")


@pytest.mark.parametrize("target", re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M))
def test_every_make_target_is_named_phony(target):
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.M)[1].split()
    assert target in phony


def test_version_is_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == app("--version").strip()


def test_every_picture_and_link_of_the_readme_is_there():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link


def written():
    rows = ["| name | default | meaning |", "| --- | --- | --- |"]
    for name, default, meaning in table():
        shown = default if "`" in default or default == "none" else f"`{default}`"
        rows.append(f"| `{name}` | {shown} | {meaning} |")
    lines = "\n".join(["<!-- settings -->", *rows, "<!-- /settings -->"])
    return re.sub(r"(?s)<!-- settings -->.*<!-- /settings -->", lambda _: lines, README)


if __name__ == "__main__":
    (ROOT / "README.md").write_text(written())
