"""The program in the rig's kernel, which runs The Button on a simulated line.

    guest.py LIBRARIES PRESSES SEED [broken]

It runs The Button with rpi-lgpio, switches the line, and prints `RESULT` and JSON. LIBRARIES is a folder with
rpi-lgpio, which cannot be installed alongside RPi.GPIO.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from server import SUPPORT, TRANSPORTS, Screen, Server
from switch_model import Finger

LINE = "/sys/devices/platform/gpio-sim.0"


def play(edges):
    """Switch the line at each edge. Return the maximum delay of an edge in seconds."""
    (path,) = Path(LINE).glob("gpiochip*/sim_gpio17/pull")
    late, started = 0.0, time.monotonic()
    with path.open("w", buffering=1) as pull:
        for at, level in edges:
            if (wait := started + at - time.monotonic()) > 0.0003:
                time.sleep(wait)  # keep the finger's pace
            late = max(late, time.monotonic() - started - at)
            pull.write("pull-up\n" if level else "pull-down\n")
            pull.seek(0)
    time.sleep(0.5)  # until the last level is sampled
    return late


def main(libraries, presses, seed, variant=""):
    environ = {"PYTHONPATH": libraries, "RPI_LGPIO_REVISION": "c03111", "VARIANT": variant}
    folder = Path("/run/button")
    folder.mkdir()
    Server.start_timeout = 120.0  # the first start in a new kernel reads every module from the host
    program = SUPPORT / "faulty_app.py" if variant else None
    server = Server(folder, environ=environ, program=program, hardware="gpio", simulated_pin=None, feed="off")
    screen = Screen(server, TRANSPORTS["websocket"])
    finger = Finger(int(seed), int(presses))
    late = play(finger.edges_with_glitches())
    events = server.history()
    screen.wait_for(len(events))
    seqs = [count["seq"] for count in screen.counts]
    hardware = server.health().json()["hardware"]
    server.stop()
    counted = sum(event["source"] == "button" for event in events)
    result = {
        "driver": hardware["driver"],
        "counted": counted,
        "received": len(seqs) - 1,
        "in_order": seqs == sorted(set(seqs)),
        "late": late,
        "worst_gap": hardware["worst_gap"],
    }
    print("RESULT", json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
