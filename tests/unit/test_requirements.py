"""Pinned dependencies."""

import re
import tomllib

import pytest
from server import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NAMED = {
    "requirements.txt": PROJECT["project"]["dependencies"],
    "requirements-dev.txt": PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"],
    "deploy/requirements-lgpio.txt": PROJECT["dependency-groups"]["lgpio"],
}


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file):
    """Return the packages in a file with their versions and hashes."""
    found = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / file).read_text().rstrip()):
        first, *hashes = entry.split(" \\\n")
        name, version = re.fullmatch(r"([\w.-]+)==(\S+)(?: ; .*)?", first).groups()
        assert normalized(name) not in found, f"{name} is pinned twice"
        found[normalized(name)] = version, hashes
    return found


@pytest.mark.parametrize("file", NAMED)
def test_every_package_is_pinned_with_hashes(file):
    for name, (_, hashes) in pins(file).items():
        assert hashes, f"{name} has no hash"
        assert all(re.fullmatch(r" +--hash=sha256:[0-9a-f]{64}", line) for line in hashes), name


@pytest.mark.parametrize("file", NAMED)
def test_packages_of_pyproject_are_pinned_at_their_versions(file):
    """Run `make lock` to update the pins."""
    pinned = pins(file)
    for requirement in NAMED[file]:
        name, version = re.match(r"([\w.-]+)==([^;\s]+)", requirement).groups()
        assert pinned[normalized(name)][0] == version, name


def test_tests_run_on_the_versions_of_the_server():
    server, tests = pins("requirements.txt"), pins("requirements-dev.txt")
    assert server.items() <= tests.items()


@pytest.mark.parametrize("file", NAMED)
def test_pins_name_no_package_index(file):
    assert "://" not in (ROOT / file).read_text()
