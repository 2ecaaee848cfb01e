"""The wheel, built from what git has, does in an empty environment all that a checkout does."""

import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Valkey
from tests.e2e.node_client import NodeClients
from tests.e2e.server import ServerProcess, free_port
from tests.package.conftest import call


@pytest.fixture(scope="module", params=["compiled_wheel", "plain_wheel"])
def wheel(request: pytest.FixtureRequest) -> Path:
    built: Path = request.getfixturevalue(request.param)
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment with the wheel and what it asks for, or of the image."""
    if wheel.stem.endswith("-any"):
        image: Path = request.getfixturevalue("image")
        return image
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    call(folder / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "bin"


@pytest.fixture
def wheel_server(installed: Path, tmp_path: Path) -> Iterator[tuple[ServerProcess, int]]:
    """``hornet-server`` from the wheel, with its embedded Valkey on the port given beside it."""
    redis_port = free_port()
    server = ServerProcess(
        "--port",
        "0",
        "--embedded-port",
        str(redis_port),
        program=(str(installed / "hornet-server"),),
        cwd=tmp_path,
    )
    assert server.url
    yield server, redis_port
    server.stop()
    server.sweep()
    print(server.output)


def test_the_wheel_has_every_module_and_static_file_and_nothing_else(source: Path, wheel: Path) -> None:
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {str(path.relative_to(source)) for path in (source / "hornet").rglob("*") if path.is_file()}
    built = {"hornet/web/static/hornet.js", "hornet/web/static/socket.io.js"}
    if not wheel.stem.endswith("-any"):
        built.add("hornet/engine/transport/_direct_write" + sysconfig.get_config_var("EXT_SUFFIX"))
    assert files == ours - {"hornet/engine/transport/_direct_write.c"} | built


def test_the_server_of_the_wheel_has_the_compiled_loop_if_the_wheel_has(
    installed: Path, wheel: Path, tmp_path: Path
) -> None:
    asks = (
        "from hornet.engine.transport.direct_write import find_send_each; print(find_send_each() is not None)"
    )
    said = call(installed / "python", "-I", "-c", asks, cwd=tmp_path)
    assert said.strip() == str(not wheel.stem.endswith("-any"))


def test_the_commands_of_the_wheel_answer(installed: Path, tmp_path: Path) -> None:
    for command in ("hornet-server", "hornet"):
        assert "--help" in call(installed / command, "--help", cwd=tmp_path)


def test_the_connector_does_not_pull_in_the_server(installed: Path, tmp_path: Path) -> None:
    said = call(
        installed / "python",
        "-c",
        "import sys, hornet.connector; print({'aiohttp', 'socketio', 'engineio'} & set(sys.modules))",
        cwd=tmp_path,
    )
    assert said.strip() == "set()"


def test_the_connector_needs_nothing_beside_redis_py(
    plain_wheel: Path, tmp_path: Path, valkey: Valkey
) -> None:
    """As the reference tells a backend to install it."""
    call(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", tmp_path / "only",
        plain_wheel, "redis", cwd=tmp_path,
    )  # fmt: skip
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path / "only")!r})
from hornet.connector import AsyncConnector, Connector, sign_channel
with Connector({valkey.url!r}) as hornet:
    print(len(hornet.create_access_token("a")), hornet.publish("nobody", "news"))
"""
    assert call(sys.executable, "-I", "-S", "-c", program, cwd=tmp_path).strip() == "9 0"


async def test_a_message_gets_through_the_installed_server(
    clients: NodeClients, wheel_server: tuple[ServerProcess, int], installed: Path, tmp_path: Path
) -> None:
    server, redis_port = wheel_server
    redis_url = f"redis://127.0.0.1:{redis_port}"
    token = call(installed / "hornet", "token", "--redis", redis_url, "news", cwd=tmp_path).split()[-1]
    client = await clients.connect(server.url)
    await client.show(token, "news")
    assert (await client.event())["type"] == "connected"
    call(installed / "hornet", "publish", "--redis", redis_url, "news", "hello", cwd=tmp_path)
    assert await client.event() == {"type": "hello", "channel": "news"}
    await client.disconnect()


async def test_the_installed_server_serves_the_client_script(
    wheel_server: tuple[ServerProcess, int],
) -> None:
    server, _ = wheel_server
    async with aiohttp.ClientSession() as http:
        for path in ("/hornet/hornet.js", "/socket.io/socket.io.js"):
            async with http.get(server.url + path) as answer:
                assert answer.status == 200, path
                assert "javascript" in answer.headers["Content-Type"]
                assert len(await answer.read()) > 10_000
