"""Run another program in place of this one, on given cores, so that it is killed when its parent ends.

Called as ``launch.py PARENT CORES WORD...``. This is a program of its own because a process with threads
can't safely run such code between fork and exec. It uses the standard library only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); the setting outlives exec
EXIT_NOT_FOUND = 127


def main() -> int:
    parent, cores, *words = sys.argv[1:]
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        return 0  # the parent died before the setting took effect
    try:
        os.execvp(words[0], words)
    except OSError as error:
        print(f"{words[0]} can't be started: {error.strerror}", file=sys.stderr)
    return EXIT_NOT_FOUND


if __name__ == "__main__":
    sys.exit(main())
