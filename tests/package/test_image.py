"""The image of the Dockerfile, made without Docker: its commands run in an empty environment."""

import os
import subprocess
from pathlib import Path

from tests.conftest import Valkey
from tests.e2e.server import ServerProcess
from tests.package.conftest import IMAGE

PORT = "8187"


def test_the_image_starts_is_healthy_until_it_is_stopped_and_ends_with_exit_code_0(
    image: Path, valkey: Valkey, tmp_path: Path
) -> None:
    path = f"{image}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "HORNET_REDIS": valkey.url, "HORNET_PORT": "0", **IMAGE.variables}
    given = [f"{name}={value}" for name, value in variables.items()]
    server = ServerProcess(program=("env", *given, *IMAGE.words("ENTRYPOINT")), cwd=tmp_path)
    check = [word.replace(PORT, str(server.port)) for word in IMAGE.words("HEALTHCHECK")]

    def is_healthy() -> bool:
        return subprocess.run(check, env={"PATH": path}, stderr=subprocess.DEVNULL).returncode == 0

    try:
        assert is_healthy()
        assert IMAGE.all("STOPSIGNAL") == ["SIGTERM"]
        assert server.stop() == 0
        assert not is_healthy()
    finally:
        server.sweep()
        print(server.output)


def test_the_image_listens_where_it_says_so() -> None:
    assert IMAGE.all("EXPOSE") == [PORT]
    assert f":{PORT}/health/live" in " ".join(IMAGE.words("HEALTHCHECK"))
