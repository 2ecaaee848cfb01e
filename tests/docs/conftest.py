"""What readers of the documentation have: the commands in ``.venv/bin``, a redis-cli, a page in a browser."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.conftest import Valkey
from tests.e2e.backend import Backend
from tests.e2e.server import ServerProcess, free_port
from tests.e2e.waiting import DEADLINE_S

COMMANDS = {
    "python": (sys.executable,),
    "hornet": (sys.executable, "-c", "import sys; from hornet.cli import main; sys.exit(main())"),
}

# Where no redis-cli is installed: as much of it as the documentation uses.
REDIS_CLI = """
import shlex, sys
from redis import Redis
words = sys.argv[1:]
while words and words[0] == "-u":
    url, words = words[1], words[2:]
redis = Redis.from_url(url, decode_responses=True, single_connection_client=True)
for command in [words] if words else map(shlex.split, sys.stdin):
    print(redis.execute_command(*command))
"""


class Reader:
    """A reader who follows a page in a folder of their own, on a machine whose Redis is at ``redis_url``."""

    def __init__(self, folder: Path, redis_url: str) -> None:
        self.folder = folder
        self.redis_url = redis_url
        self._programs: list[ServerProcess] = []
        for name, command in COMMANDS.items():
            _write_command(folder / ".venv" / "bin" / name, *command)
        installed = shutil.which("redis-cli")
        redis_cli = (installed,) if installed else (sys.executable, "-c", REDIS_CLI)
        _write_command(folder / "bin" / "redis-cli", *redis_cli, "-u", redis_url)

    def paste(self, shell: str) -> str:
        """Run a shell block that must succeed; return what it printed, stripped."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        done = subprocess.run(
            ["sh", "-euc", shell],
            cwd=self.folder,
            env={**os.environ, "HORNET_REDIS": self.redis_url, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def start(self, shell: str, **variables: str) -> ServerProcess:
        """Run a shell block that goes on until the test ends."""
        given = [f"{name}={value}" for name, value in variables.items()]
        program = ServerProcess(program=("env", *given, "sh", "-euc", f"exec {shell}"), cwd=self.folder)
        self._programs.append(program)
        return program

    def leave(self) -> None:
        for program in self._programs:
            program.sweep()
            print(f"--- output of a pasted program ---\n{program.output}")


def _write_command(path: Path, *command: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    path.chmod(0o755)


@pytest.fixture
def reader(tmp_path: Path, valkey: Valkey) -> Iterator[Reader]:
    reader = Reader(tmp_path, valkey.url)
    yield reader
    reader.leave()


@pytest.fixture(scope="session")
def server(shared_valkey: Valkey) -> Iterator[ServerProcess]:
    """A server in its default settings, shared by all tests of this folder."""
    server = ServerProcess("--port", "0", "--redis", shared_valkey.url)
    assert server.url
    yield server
    server.sweep()
    print(server.output)


@pytest.fixture
def backend(redis: Redis) -> Backend:
    return Backend(redis)


@pytest.fixture
def port() -> int:
    """A port for a program that can't be told to choose one."""
    return free_port()
