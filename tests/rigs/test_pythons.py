"""`make test` with the Python of other Debian releases, each in a clean root."""

import os
import re
import shlex
import shutil

import pytest
from debian import DebianRoot
from tested import record

#: The requirements in CONTRIBUTING.md, and certificates for the package indexes.
PACKAGES = "git,make,python3,ca-certificates"
#: Make targets to run, with the number of pytest runs and the minimum number of tests of each.
TESTS = os.environ.get("TESTS", "test")
RUNS = {"test-unit": (1, 300), "test": (2, 1000)}
#: Python version of each release.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13", "forky": "3.14"}


@pytest.mark.pythons
@pytest.mark.parametrize("suite", os.environ.get("SUITES", "trixie").split())
def test_make_test_passes_in_a_clean_root(suite, tmp_path):
    root = DebianRoot(tmp_path, suite, PACKAGES)
    try:
        printed = root.run(f"make {TESTS}")
        version = root.run(".venv/bin/python -VV").split()[1]
    finally:
        shutil.rmtree(root.root, ignore_errors=True)
    assert version.startswith(PYTHONS[suite] + "."), version
    passed = [int(number) for number in re.findall(r"^(\d+) passed", printed, re.M)]
    runs, tests = zip(*(RUNS[name] for name in TESTS.split()), strict=True)
    assert len(passed) == sum(runs)
    assert sum(passed) > sum(tests)
    where = f"x86_64, clean root, {sum(passed)} tests"
    record(where, f"Debian {suite}", version, f"make test-pythons SUITES={suite} TESTS={shlex.quote(TESTS)}")


#: Script that presses the simulated button of a server and prints the count.
PRESS = """
export BUTTON_PORT=0 BUTTON_HARDWARE=simulated BUTTON_SIMULATED_PIN=/tmp/pin
.venv/bin/python app.py 2>/tmp/log & server=$!
.venv/bin/python - <<'END'
import json, pathlib, re, time, urllib.request
def until(get):
    end = time.monotonic() + 60
    while not (value := get()):
        assert time.monotonic() < end, pathlib.Path("/tmp/log").read_text()
        time.sleep(0.02)
    return value
port = until(lambda: re.search(r"Serving on .*:(\\d+)\\n", pathlib.Path("/tmp/log").read_text()))[1]
def count():
    return json.load(urllib.request.urlopen(f"http://[::1]:{port}/api/count", timeout=20))["count"]
pathlib.Path("/tmp/pin").write_text("0")
until(lambda: count() == 19)
pathlib.Path("/tmp/pin").write_text("1")
print("count", count())
END
kill $server
wait $server
"""


@pytest.mark.arm
def test_32_bit_python_on_a_64_bit_kernel_serves_and_counts(tmp_path):
    """Packages without 32-bit wheels are compiled, and psycopg-binary is omitted."""
    root = DebianRoot(tmp_path, "trixie", "git,make,python3,ca-certificates", "i386")
    try:
        root.run("make .venv/run")
        kind = "import platform, sys; print(platform.machine(), sys.maxsize, platform.python_version())"
        machine, largest, version = root.run(f".venv/bin/python -c '{kind}'").split()
        assert (machine, int(largest)) == ("x86_64", 2**31 - 1)
        packages = root.run(".venv/bin/python -m pip list")
        assert "psycopg " in packages
        assert "psycopg-binary" not in packages
        assert "count 19\n" in root.run(PRESS)
    finally:
        shutil.rmtree(root.root, ignore_errors=True)
    record("32-bit x86 on a 64-bit kernel, simulated button", "Debian trixie", version, "make test-arm")
