"""Runs a server and stops it as soon as this process's standard input ends.

It is started as a script, ``valkey_guard.py FOLDER COMMAND...``, with a pipe as its standard input. The
kernel closes that pipe whichever way the parent ends, ``kill -9`` included. So the server never outlives the
parent, and its folder is removed. The script imports nothing of Hornet, to start fast and stay small.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

STOP_S = 5.0


def main(folder: str, command: list[str]) -> None:
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def leave_with_server() -> None:
        os._exit(server.wait() & 0xFF)

    threading.Thread(target=leave_with_server, daemon=True).start()
    while os.read(0, 4096):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    server.terminate()
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
