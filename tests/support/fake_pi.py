"""A simulated Raspberry Pi for the real C library RPi.GPIO.

A file replaces the chip's registers (BCM2711 data sheet, chapter 5): GPSET0 at 0x1c, GPCLR0 at 0x28, GPLEV0
at 0x34, with one bit per line.
"""

import mmap
import struct
import time

from server import SUPPORT, Server

SET, CLEAR, LEVEL = 0x1C, 0x28, 0x34
#: GPIO17 is physical pin 11, GPIO27 pin 13, GPIO18 pin 12.
LINES = {11: 17, 13: 27, 12: 18}
CPUINFO = (
    "Hardware\t: BCM2835\nRevision\t: c03111\nSerial\t\t: 0\nModel\t\t: Raspberry Pi 4 Model B Rev 1.1\n"
)
#: Maximum delay of an edge, in seconds. A run with a longer delay is inconclusive.
MAX_EDGE_DELAY = 0.010


class FakePi:
    """A simulated Pi, on which `start` runs The Button.

    `late` is the longest delay of an edge so far, in seconds.
    """

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "cpuinfo").write_text(CPUINFO)
        (folder / "registers").write_bytes(bytes(4096))
        with (folder / "registers").open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 4096)
        self._write(LEVEL, 0xFFFFFFFF)
        self.late = 0.0
        self.server = None

    def start(self, program=None, variant="", **settings):
        command = [SUPPORT / "fake_pi.sh", self.folder / "registers", self.folder / "cpuinfo"]
        settings = {"hardware": "gpio", "simulated_pin": None} | settings
        self.server = Server(
            self.folder, prefix=command, program=program, environ={"VARIANT": variant}, **settings
        )
        return self.server

    def set_level(self, level, pin=11):
        bit = 1 << LINES[pin]
        self._write(LEVEL, self._read(LEVEL) | bit if level else self._read(LEVEL) & ~bit)

    def play(self, edges, pin=11):
        """Switch the contact at `edges`, which are pairs of seconds from now and level."""
        started = time.monotonic()
        for at, level in edges:
            if (wait := started + at - time.monotonic()) > 0.0003:
                time.sleep(wait)  # keep the finger's pace
            self.late = max(self.late, time.monotonic() - started - at)
            self.set_level(level, pin)
        time.sleep(0.1)  # until the last level is sampled

    def light(self, pin=12):
        """Return the level written to an output since the last call, or None."""
        bit, written = 1 << LINES[pin], None
        for offset, level in ((SET, 1), (CLEAR, 0)):
            if self._read(offset) & bit:
                self._write(offset, 0)
                written = level
        return written

    def inconclusive(self):
        """Return whether the machine was too busy for a meaningful run."""
        return self.late > MAX_EDGE_DELAY or self.server.health().json()["hardware"]["long_gaps"] > 0

    def _read(self, offset):
        return struct.unpack_from("<I", self._memory, offset)[0]

    def _write(self, offset, word):
        struct.pack_into("<I", self._memory, offset, word)
