"""Becomes another program, on the cores it may use, that dies with whoever started it.

``launch.py PARENT CORES WORD...``: a program of its own, because doing this between fork and exec is not safe
in a process with threads. Standard library only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); it outlives exec
EXIT_NOT_FOUND = 127


def main() -> int:
    parent, cores, *words = sys.argv[1:]
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        return 0  # it died before it could be noticed
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(f"{words[0]} can't be started: {error.strerror}", file=sys.stderr)
    return EXIT_NOT_FOUND


if __name__ == "__main__":
    sys.exit(main())
