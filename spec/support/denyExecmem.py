"""Runs a command that gets no executable memory but that of files: what SELinux' execmem and execmod deny, and systemd's
MemoryDenyWriteExecute=. It is inherited by all that the command starts.

usage: denyExecmem.py COMMAND [ARGUMENT...]
"""

import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, DENY = 0x7FFF0000, 0x00050000 | 13  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EACCES
LOAD, EQUAL, ANY, RETURN = 0x20, 0x15, 0x45, 0x06
PROT_WRITE, PROT_EXEC, MAP_ANONYMOUS = 2, 4, 0x20
NUMBER, ARCHITECTURE, PROT, FLAGS = 0, 4, 16 + 8 * 2, 16 + 8 * 3  # struct seccomp_data, little-endian

# AUDIT_ARCH of the machine, and its numbers of mmap, mprotect, pkey_mprotect
MACHINES = {"x86_64": (0xC000003E, 9, 10, 329), "aarch64": (0xC00000B7, 222, 226, 288)}


def filters():
    """One instruction a row: code, jump if true, jump if false, constant. Jumps count from the next row."""
    architecture, mmap, mprotect, pkey_mprotect = MACHINES[platform.machine()]
    return [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 11, architecture),
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 4, 0, mmap),
        (EQUAL, 1, 0, mprotect),
        (EQUAL, 0, 7, pkey_mprotect),
        (LOAD, 0, 0, PROT),
        (ANY, 6, 5, PROT_EXEC),
        (LOAD, 0, 0, PROT),
        (ANY, 0, 3, PROT_EXEC),
        (ANY, 3, 0, PROT_WRITE),
        (LOAD, 0, 0, FLAGS),
        (ANY, 1, 0, MAP_ANONYMOUS),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, DENY),
    ]


def main():
    rows = b"".join(struct.pack("<HBBI", *row) for row in filters())
    buffer = ctypes.create_string_buffer(rows, len(rows))
    program = struct.pack("<HxxxxxxQ", len(rows) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
        if libc.prctl(*[ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments]) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    os.execvp(sys.argv[1], sys.argv[1:])


main()
