"""A small disk that can be filled."""

import contextlib
import subprocess


def mounted(tmp_path, size):
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    return folder


def fill(folder):
    with contextlib.suppress(OSError), (folder / "ballast").open("ab", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)
