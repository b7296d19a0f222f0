"""The README's commands on emulated Arm, with the Python of Debian 13.

On armhf `uname` reports aarch64, as where a 32-bit system runs on a 64-bit kernel.
"""

import shutil

import pytest
from emulated import ARCHITECTURES, Emulated
from fake_pi import FakePi
from server import until
from tested import record

pytestmark = pytest.mark.arm

#: What `uname -m` prints where the kernel is 64-bit.
MACHINE = "aarch64"
#: The names of the architectures in the README's table.
NAMES = {"arm64": "64-bit Arm", "armhf": "32-bit Arm with a 64-bit kernel"}
#: Model of a board, whether its kernel has /dev/gpiomem, what `uname -m` prints, and the expected library.
BOARDS = [
    ("Raspberry Pi 5 Model B Rev 1.0", False, MACHINE, "rpi-lgpio"),
    ("Raspberry Pi 3 Model B Rev 1.2", True, MACHINE, "RPi.GPIO"),
    ("Raspberry Pi 4 Model B Rev 1.1", False, MACHINE, "rpi-lgpio"),
    ("Raspberry Pi Zero W Rev 1.1", False, "armv6l", "RPi.GPIO"),
]
PI_4 = "Raspberry Pi 4 Model B Rev 1.1"


@pytest.fixture(scope="module", params=ARCHITECTURES)
def arm(request, tmp_path_factory):
    """A root in which `make` has set up the server."""
    if missing := ARCHITECTURES[request.param].missing():
        pytest.fail(f"install {', '.join(missing)}; `make test-arm` does so as root")
    arm = Emulated(tmp_path_factory.mktemp("arm"), request.param)
    arm.run("make", ".venv/run", machine=MACHINE)
    yield arm
    shutil.rmtree(arm.root, ignore_errors=True)


def files_of(board, folder, gpiomem=None):
    """Return what stands for a board: its model and the page of its registers."""
    model = folder / "model"
    model.write_bytes(board.encode() + b"\0")  # as the kernel ends it
    return {"/proc/device-tree/model": model} | ({"/dev/gpiomem": gpiomem} if gpiomem else {})


def set_up(arm, files, machine):
    """Set up for a board and return the version of each GPIO library that is installed then."""
    (arm.root / "root/the-button/.venv/run").unlink()
    arm.run("make", ".venv/run", files=files, machine=machine)
    packages = arm.run(".venv/bin/python", "-m", "pip", "list").split()
    return {
        name: packages[packages.index(name) + 1] for name in ("RPi.GPIO", "rpi-lgpio") if name in packages
    }


def test_arm_serves_and_counts_over_a_restart(arm):
    script = "import platform, sys; print(platform.machine(), sys.maxsize > 2**32, platform.python_version())"
    found = arm.run(".venv/bin/python", "-c", script, machine=MACHINE).split()
    assert found[:2] == [MACHINE, str(arm.name == "arm64")]
    simulated = {"HARDWARE": "simulated", "SIMULATED_PIN": "/tmp/pin"}
    server = arm.serve(**simulated)
    assert "<canvas" in server.get("/").text
    for level in "01":
        (arm.root / "tmp/pin").write_text(level)
        until(lambda: server.count() == 19, "the press")
    response = server.press()
    assert (response.status_code, response.json()["count"]) == (201, 18)
    assert server.stop() == 0
    server = arm.serve(**simulated)
    assert server.get("/api/count").json()["seq"] == 2
    assert server.stop() == 0
    record(f"emulated {NAMES[arm.name]}, simulated button", "Debian trixie", found[2], "make test-arm")


@pytest.mark.parametrize(("board", "gpiomem", "machine", "library"), BOARDS)
def test_board_gets_its_gpio_library(arm, board, gpiomem, machine, library, tmp_path):
    if machine != MACHINE and arm.name == "arm64":
        pytest.skip("the first Pi has no 64-bit system")
    registers = tmp_path / "registers"
    registers.write_bytes(bytes(4096))
    assert list(set_up(arm, files_of(board, tmp_path, gpiomem and registers), machine)) == [library]


def test_press_counts_once_through_the_c_library(arm, tmp_path):
    pi = FakePi(tmp_path / "pi")
    files = files_of(PI_4, tmp_path, pi.folder / "registers") | {"/proc/cpuinfo": pi.folder / "cpuinfo"}
    assert set_up(arm, files, MACHINE) == {"RPi.GPIO": "0.7.1"}
    server = arm.serve(files)
    before = server.count()
    for pressed in (1, 2):
        pi.set_level(0)
        until(lambda pressed=pressed: server.count() == before - pressed, "the press")
        pi.set_level(1)
        until(lambda: not server.get("/healthz").json()["hardware"]["pressed"], "the release")
    assert server.get("/healthz").json()["hardware"]["driver"] == "RPi.GPIO 0.7.1"
    assert server.count() == before - 2
    assert server.stop() == 0
    python = arm.run(".venv/bin/python", "-V").split()[1]
    where = f"RPi.GPIO on emulated {NAMES[arm.name]}, fake registers"
    record(where, "Debian trixie", python, "make test-arm")
