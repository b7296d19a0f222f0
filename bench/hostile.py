"""Cost of each attack in tests/support/attacks.py.

    python -m bench hostile
    python -m bench.hostile [PROGRAM]

Prints the slowest press, the slowest update of the screens, the duration of a stop during the attack, and the memory
growth during and after it. `python -m bench hostile` writes the figures to docs/security.md. PROGRAM is the app.py of
another checkout to attack.
"""

import sys
import tempfile
from pathlib import Path

from bench.rig import ATTACKS, HERE, Siege

SECONDS = 1


def main():
    program = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "app.py"
    print("client                                      press  screens    stop   memory    after")
    for name in ATTACKS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                figures = Siege(folder, program=program).attack(name, SECONDS)
            except (AssertionError, OSError, EOFError) as error:
                print(f"{name:42} failed: {type(error).__name__} {str(error).splitlines()[:1]}", flush=True)
                continue
        after = f"{figures['memory_after'] / 2**20:+5.0f} MB" if "memory_after" in figures else "        "
        print(
            f"{name:42} {figures['press']:5.2f} s {figures['screens']:6.2f} s {figures['stop']:5.2f} s"
            f" {figures['memory'] / 2**20:+5.0f} MB {after}",
            flush=True,
        )


if __name__ == "__main__":
    main()
