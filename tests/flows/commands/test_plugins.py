"""Commands of installed packages and of the application, as a node finds them when it starts."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hornet.core.commands import Command, Context
from hornet.core.errors import SetupError
from hornet.flows.commands.plugins import collect_commands
from tests import installed
from tests.flows.conftest import Running, StartNode

CODE = """
async def good(context, data):
    return "from a package"

def not_async(context, data):
    return None
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs packages that declare commands, for this test."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(package: str, code: str, **commands: str) -> None:
        lines = [f"{name} = {where}" for name, where in commands.items()]
        module = installed.install(tmp_path, package, code, "\n".join(["[hornet.commands]", *lines, ""]))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, installed.install_example(tmp_path), raising=False)


async def own(context: Context, data: Any) -> str:
    return "from the application"


def test_an_async_function_becomes_a_command() -> None:
    assert collect_commands({"own": own}, ()) == {"own": Command(own)}


def test_commands_of_packages_are_beside_those_of_the_application(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("a-package", CODE, good="a_package:good")
    with caplog.at_level(logging.INFO, "hornet.flows.commands.plugins"):
        assert collect_commands({"own": own}, ["*"]).keys() == {"own", "good"}
    assert "'good' of a-package 1.0" in caplog.text


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["*"], {"shop.buy", "shop.sell", "admin.stop"}),
        (["shop.*"], {"shop.buy", "shop.sell"}),
        (["shop.buy", "admin.*"], {"shop.buy", "admin.stop"}),
        ([], set()),
    ],
)
def test_only_those_that_the_configuration_names_are_taken(
    install: Install, wanted: list[str], found: set[str]
) -> None:
    names = ("shop.buy", "shop.sell", "admin.stop")
    install("a-package", CODE, **dict.fromkeys(names, "a_package:good"))
    assert collect_commands({}, wanted).keys() == found


def test_a_named_command_that_is_not_installed_is_an_error_that_says_what_is(install: Install) -> None:
    install("a-package", CODE, good="a_package:good")
    with pytest.raises(SetupError, match=r"No command 'god' is installed \(there is: good\)"):
        collect_commands({}, ["god"])


def test_two_commands_of_one_name_are_an_error_that_says_where_from(install: Install) -> None:
    install("a-package", CODE, good="a_package:good")
    install("b-package", CODE, good="b_package:good")
    with pytest.raises(SetupError, match=r"'good' comes from [ab]-package 1\.0 and from [ab]-package 1\.0"):
        collect_commands({}, ["*"])
    with pytest.raises(SetupError, match=r"from create_app's argument and from a-package"):
        collect_commands({"good": own}, ["*"])


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ("a_package:absent", "can't be loaded: .*absent"),
        ("no_such_package:good", "can't be loaded: .*no_such_package"),
        ("a_package:not_async", "is neither a Command nor an 'async def' function"),
    ],
)
def test_what_is_no_command_stops_the_start_with_a_sentence(
    install: Install, where: str, complaint: str
) -> None:
    install("a-package", CODE, broken=where)
    with pytest.raises(SetupError, match=rf"'broken' of a-package 1\.0 {complaint}"):
        collect_commands({}, ["*"])


def test_a_name_that_no_client_could_be_told_is_an_error() -> None:
    with pytest.raises(SetupError, match="no valid name"):
        collect_commands({"two words": own}, ())


@pytest.fixture
async def with_example(example: None, start_node: StartNode) -> Running:
    return await start_node()


async def test_the_example_package_answers_users(with_example: Running, prefix: str) -> None:
    client = await with_example.connect_with_token(f"{prefix}a", user="ana")
    answer = await client.ask("hornet:command", {"name": "example.roll", "data": {"dice": 3, "sides": 2}})
    rolled = answer["result"]["rolled"]
    assert len(rolled) == 3
    assert set(rolled) <= {1, 2}
    assert answer["result"]["sum"] == sum(rolled)
    assert (await client.ask("hornet:command", {"name": "example.whoami"}))["result"] == {
        "id": client.sid,
        "user": "ana",
        "channels": [f"{prefix}a"],
    }


@pytest.mark.parametrize(
    ("carried", "data", "code"),
    [
        ({}, {}, "USERS_ONLY"),
        ({"user": "ana"}, {"sides": 1}, "INVALID_DATA"),
        ({"user": "ana"}, {"colour": "red"}, "INVALID_DATA"),
        ({"user": "ana"}, None, "INVALID_DATA"),
    ],
)
async def test_the_example_package_refuses(
    with_example: Running, prefix: str, carried: dict[str, Any], data: object, code: str
) -> None:
    client = await with_example.connect_with_token(f"{prefix}a", **carried)
    answer = await client.ask("hornet:command", {"name": "example.roll", "data": data})
    assert answer["error"]["code"] == code
