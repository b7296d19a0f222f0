"""The whole server with rpi-lgpio, on a GPIO line of a User-Mode Linux kernel."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from server import ROOT, SUPPORT

ATTEMPTS = 5
PRESSES = 100
LIBRARIES = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "the-button/rpi-lgpio"


@pytest.fixture(scope="module")
def kernel():
    """Return the path of the kernel, after building it if missing and installing rpi-lgpio."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", LIBRARIES]
    pins = ROOT / "deploy/requirements-lgpio.txt"
    subprocess.run([*pip, "--require-hashes", "-r", pins], check=True)
    built = subprocess.run(["sh", SUPPORT / "uml/build.sh"], stdout=subprocess.PIPE, text=True, check=True)
    return built.stdout.split()[-1]


def boot(kernel, *arguments):
    """Boot the kernel, run guest.py in it and return its result."""
    guest = ",".join([sys.executable, str(SUPPORT / "uml/guest.py"), str(LIBRARIES), *arguments])
    command = [
        kernel, "mem=512M", "rootfstype=hostfs", "rootflags=/", "root=/dev/root", "ro", "quiet",
        f"init={ROOT}/tests/support/uml/init.sh", "con0=fd:0,fd:1", "con=null", f"rig={guest}",
    ]  # fmt: skip
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300
    )
    found = re.search(r"RESULT (\{.*\})", done.stdout.decode(errors="replace"))
    assert found, done.stdout.decode(errors="replace")[-3000:]
    return json.loads(found[1])


def boot_until_conclusive(kernel, *arguments):
    """Boot until the count is right, or wrong although no edge or sample was late."""
    for _ in range(ATTEMPTS):
        result = boot(kernel, *arguments)
        print(result)
        right = (result["counted"], result["received"], result["in_order"]) == (PRESSES, PRESSES, True)
        if right or (result["late"] < 0.010 and result["worst_gap"] < 0.020):
            return result
    raise AssertionError(
        f"inconclusive after {ATTEMPTS} runs: an edge was late, or a sample by over 20 ms: {result}"
    )


@pytest.mark.slow
def test_100_bouncing_presses_on_a_kernel_line_count_once_each(kernel):
    result = boot_until_conclusive(kernel, str(PRESSES), "11")
    assert "0.7.2" in result["driver"] or "lgpio" in result["driver"], "not the C library"
    assert (result["counted"], result["received"], result["in_order"]) == (PRESSES, PRESSES, True)


@pytest.mark.slow
def test_kernel_line_counts_extra_presses_without_the_debouncer(kernel):
    assert boot(kernel, "15", "12", "broken")["counted"] > 15
