"""The contents of a disk after a power cut, rebuilt from a recording.

tests/support/powersim.c makes the recording. All data written to a file before its last sync is on the disk.
Of later writes, each sector of 512 bytes is either on the disk or not, at random. Name changes (create,
rename, unlink) are on the disk up to the folder's last sync, and a random number of those that follow.
"""

import os
import struct
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
HEAD = struct.Struct("<QQQQ")
SECTOR = 512


def library(folder):
    """Compile the recorder and return its path."""
    path = Path(folder) / "powersim.so"
    command = ["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", path, HERE / "powersim.c", "-ldl"]
    subprocess.run(command, check=True)
    return path


def record(folder, command, no_sync=False, **more):
    """Run `command` with the recorder on `folder` and return the log."""
    folder = Path(folder)
    log = folder.with_name(folder.name + ".log")
    environ = os.environ | {
        "LD_PRELOAD": str(library(folder.parent)),
        "POWERSIM_DIR": str(folder),
        "POWERSIM_LOG": str(log),
    }
    if no_sync:
        environ["POWERSIM_NO_SYNC"] = "1"
    subprocess.run(command, env=environ, check=True, **more)
    return Log(log)


class Log:
    """The recorded changes (kind, file, offset, bytes), in order."""

    def __init__(self, path):
        data = path.read_bytes()
        self.records = []
        numbers = {}  # number of each inode's current file, since new files can reuse an inode
        at = 0
        while at < len(data):
            kind, file, length, offset = HEAD.unpack_from(data, at)
            at += HEAD.size
            if chr(kind) == "n":
                numbers[file] = len(self.records)
            file = numbers.get(file, -file)
            self.records.append((chr(kind), file, offset, data[at : at + length]))
            at += length

    @property
    def syncs(self):
        return sum(kind in "sd" for kind, *_ in self.records)

    def cut(self, at, chance):
        """Return the files as {name: bytes} after a power cut at record `at`."""
        disk = Disk(chance)
        for kind, file, offset, payload in self.records[:at]:
            if kind in "wt":
                disk.later.setdefault(file, []).append((kind, offset, payload))
            elif kind == "s":
                for change in disk.later.pop(file, ()):
                    disk.change(file, *change)
            elif kind == "d":
                for change in disk.names_later:
                    disk.rename(*change)
                disk.names_later.clear()
            else:
                disk.names_later.append((kind, file, payload.decode()))
        return disk.lose_power()


class Disk:
    def __init__(self, chance):
        self.chance = chance
        self.files, self.names = {}, {}
        self.later, self.names_later = {}, []

    def change(self, file, kind, offset, payload):
        content = self.files.setdefault(file, bytearray())
        if kind == "t":
            del content[offset:]
            content.extend(bytes(max(0, offset - len(content))))
            return
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(payload)] = payload

    def rename(self, kind, file, name):
        if kind == "n":
            self.names[name] = file
        elif kind == "u":
            self.names.pop(name, None)
        else:
            old, new = name.split("\0")
            if old in self.names:
                self.names[new] = self.names.pop(old)

    def lose_power(self):
        keep = self.chance.choice([0.0, 0.0, 0.5, 0.9, 1.0])
        for change in self.names_later[: self.chance.randint(0, len(self.names_later))]:
            self.rename(*change)
        for file, changes in self.later.items():
            for kind, offset, payload in changes:
                if kind == "t":
                    if self.chance.random() < keep:
                        self.change(file, kind, offset, payload)
                    continue
                for at in range(0, len(payload), SECTOR):
                    if self.chance.random() < keep:
                        self.change(file, kind, offset + at, payload[at : at + SECTOR])
        return {name: bytes(self.files.get(file, b"")) for name, file in self.names.items()}
