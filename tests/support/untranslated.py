"""Run a command in which the system calls that proot 5.1 does not translate fail with ENOSYS.

They would see this machine's files instead of those of the root. Programs then fall back to older calls.

    python untranslated.py proot ...
"""

import ctypes
import errno
import os
import struct
import sys

#: statx, renameat2, faccessat2 and openat2 on x86-64.
CALLS = (332, 316, 439, 437)
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
#: Classic BPF: load a word, jump if equal, return.
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000


def forbid(calls):
    """Let system calls fail with ENOSYS, in this process and all that it starts. Needs root."""
    lines = [(LOAD, 0, 0, 0)]  # the number of the call
    lines += [(JUMP_EQUAL, len(calls) - index, 0, call) for index, call in enumerate(calls)]
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERROR | errno.ENOSYS)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid(CALLS)
    os.execvp(sys.argv[1], sys.argv[1:])
