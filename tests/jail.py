"""Become what a process in a plain container is, then a program: `python -m llbuild.tests.jail CAPS PROGRAM…`.

Docker's capabilities without those named by number in CAPS (like "27,18"), and Docker's filter of system calls: no
mount, no namespace.
"""

from __future__ import annotations

import os
import sys

from llbuild.worker import syscalls
from llbuild.worker.executor import capabilities
from llbuild.worker.seccomp import filter_program


def main(without: str, *command: str) -> None:
    kept = capabilities.DEFAULT
    for number in filter(None, without.split(",")):
        kept &= ~(1 << int(number))
    with open("/proc/sys/kernel/cap_last_cap") as file:
        capabilities.drop_bounding(int(file.read()), kept)
    syscalls.set_seccomp_filter(syscalls.seccomp_filter(filter_program("/nonexistent")))
    syscalls.capset(effective=kept, permitted=kept, inheritable=0)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
