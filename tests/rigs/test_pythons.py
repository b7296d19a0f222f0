"""`make test` on the Python of other Debian releases, each in a clean root."""

import os
import re
import shutil

import pytest
from debian import DebianRoot

pytestmark = pytest.mark.pythons

#: What CONTRIBUTING.md expects, and certificates for the package indexes.
PACKAGES = "git,make,python3,ca-certificates"
#: The Python of each release.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}


@pytest.mark.parametrize("suite", os.environ.get("SUITES", "trixie").split())
def test_make_test_passes_in_a_clean_root(suite, tmp_path):
    root = DebianRoot(tmp_path, suite, PACKAGES)
    try:
        printed = root.run("make test-unit test")
        version = root.run(".venv/bin/python -VV").split()[1]
    finally:
        shutil.rmtree(root.root, ignore_errors=True)
    assert version.startswith(PYTHONS[suite] + "."), version
    passed = [int(number) for number in re.findall(r"^(\d+) passed", printed, re.M)]
    assert len(passed) == 3, "the unit tests, those that run in parallel, and the others"
    assert sum(passed) > 1000
