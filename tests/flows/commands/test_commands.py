"""Commands of plug-ins, called by clients of whole nodes."""

import asyncio
import logging
from dataclasses import asdict
from functools import partial
from typing import Any

import msgspec
import pytest

from hornet.core.commands import Command, CommandError, Context, command
from hornet.flows.commands.plugins import Declared
from tests.flows.client import Client, refusal
from tests.flows.conftest import Running, StartNode

COMMAND = "hornet:command"


class Pair(msgspec.Struct):
    a: int
    b: int


class Gate:
    """A command that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.entered = asyncio.Semaphore(0)
        self.opened = asyncio.Event()
        self.left: list[str] = []

    async def run(self, context: Context, data: Any) -> Any:
        self.entered.release()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.left.append("cancelled")
            raise
        self.left.append("done")
        return data


@command(validate=partial(msgspec.convert, type=Pair))
async def add(context: Context, pair: Pair) -> int:
    return pair.a + pair.b


async def whoami(context: Context, data: Any) -> Any:
    return {**asdict(context), "channels": sorted(context.channels)}


async def refuse(context: Context, data: Any) -> None:
    raise CommandError("SOLD_OUT", "No more of these")


@command(needs_authentication=False)
async def ping(context: Context, data: Any) -> str:
    return "pong"


COMMANDS: dict[str, Declared] = {"add": add, "whoami": whoami, "refuse": refuse, "ping": ping}


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def node(start_node: StartNode, gate: Gate) -> Running:
    return await start_node(own_commands={**COMMANDS, "wait": gate.run})


@pytest.fixture
async def client(node: Running, prefix: str) -> Client:
    return await node.connect_with_token(f"{prefix}a", user="ana", info={"name": "Ana"})


def call(name: str, data: object = None) -> tuple[str, dict[str, object]]:
    return COMMAND, {"name": name, "data": data}


def total(node: Running, name: str, **labels: str) -> float:
    """What a counter of the node shows."""
    shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
    for line in node.node.metrics.render().decode().splitlines():
        if line.startswith(f"{name}{{{shown}}} "):
            return float(line.rpartition(" ")[2])
    return 0


async def test_a_command_gets_valid_data_and_its_result_is_the_answer(node: Running, client: Client) -> None:
    assert await client.ask(*call("add", {"a": 2, "b": 3})) == {"ok": True, "result": 5}
    assert total(node, "hornet_commands_total", command="add", outcome="done") == 1


async def test_a_command_knows_who_calls(client: Client, prefix: str) -> None:
    assert (await client.ask(*call("whoami")))["result"] == {
        "session_id": client.sid,
        "user": "ana",
        "info": {"name": "Ana"},
        "attributes": None,
        "channels": [f"{prefix}a"],
    }


async def test_invalid_data_is_refused_in_the_validators_words(node: Running, client: Client) -> None:
    answer = await client.ask(*call("add", {"a": 2, "b": "3"}))
    assert answer["error"] == {"code": "INVALID_DATA", "message": "Expected `int`, got `str` - at `$.b`"}
    assert total(node, "hornet_refusals_total", code="INVALID_DATA") == 1


async def test_a_command_refuses_with_a_code_of_its_own(node: Running, client: Client) -> None:
    answer = await client.ask(*call("refuse"))
    assert answer == {"error": {"code": "SOLD_OUT", "message": "No more of these"}}
    assert total(node, "hornet_commands_total", command="refuse", outcome="refused") == 1


async def test_what_is_no_call_or_no_command_is_refused(client: Client) -> None:
    assert await refusal(client, COMMAND) == "WRONG_PARAMETERS"
    assert await refusal(client, COMMAND, {"data": 1}) == "WRONG_PARAMETERS"
    assert await refusal(client, *call("ad")) == "UNKNOWN_COMMAND"


async def test_a_session_that_is_not_in_calls_only_what_is_open_to_it(node: Running) -> None:
    stranger = await node.connect()
    assert await stranger.ask(*call("ping")) == {"ok": True, "result": "pong"}
    assert await refusal(stranger, *call("add", {"a": 1, "b": 1})) == "NOT_AUTHENTICATED"
    assert await refusal(stranger, *call("no such")) == "NOT_AUTHENTICATED"


async def _raise(context: Context, data: Any) -> None:
    raise RuntimeError("a secret of the plug-in")


async def _give_what_json_cant_carry(context: Context, data: Any) -> object:
    return {"when": object()}


async def _give_infinity(context: Context, data: Any) -> float:
    return float("inf")


async def _time_out_by_itself(context: Context, data: Any) -> None:
    raise TimeoutError


async def _be_cancelled(context: Context, data: Any) -> None:
    raise asyncio.CancelledError


def _fail_to_validate(data: Any) -> Any:
    raise LookupError("a secret of the plug-in")


@pytest.mark.parametrize(
    "broken",
    [
        Command(_raise),
        Command(_give_what_json_cant_carry),
        Command(_give_infinity),
        Command(_time_out_by_itself),
        Command(_be_cancelled),
        Command(whoami, _fail_to_validate),
    ],
    ids=["raises", "no JSON", "infinity", "its own timeout", "cancelled", "validator"],
)
async def test_what_goes_wrong_in_a_command_is_logged_whole_and_not_told(
    start_node: StartNode, prefix: str, broken: Command[Any], caplog: pytest.LogCaptureFixture
) -> None:
    node = await start_node(own_commands={"broken": broken, "add": add})
    client = await node.connect_with_token(f"{prefix}a")
    with caplog.at_level(logging.ERROR, "hornet.flows.commands.commands"):
        answer = await client.ask(*call("broken"))
    assert answer["error"]["code"] == "COMMAND_FAILED"
    assert "secret" not in str(answer)
    [record] = [one for one in caplog.records if one.name == "hornet.flows.commands.commands"]
    assert record.exc_info is not None
    assert "broken" in record.getMessage()
    assert total(node, "hornet_commands_total", command="broken", outcome="failed") == 1
    assert (await client.ask(*call("add", {"a": 1, "b": 1})))["result"] == 2


async def test_a_slow_command_holds_up_nothing_else_of_its_session(client: Client, gate: Gate) -> None:
    waiting = await client.begin(*call("wait", "at last"))
    await gate.entered.acquire()
    assert (await client.ask(*call("add", {"a": 1, "b": 1})))["result"] == 2
    gate.opened.set()
    assert await client.answer(waiting) == {"ok": True, "result": "at last"}


async def test_a_command_that_takes_too_long_is_cancelled(
    start_node: StartNode, gate: Gate, prefix: str
) -> None:
    node = await start_node(own_commands={"wait": gate.run}, command_timeout=0.05)
    client = await node.connect_with_token(f"{prefix}a")
    assert await refusal(client, *call("wait")) == "COMMAND_TIMEOUT"
    assert gate.left == ["cancelled"]
    assert total(node, "hornet_commands_total", command="wait", outcome="timeout") == 1


async def test_a_session_has_so_many_commands_running_and_no_more(
    start_node: StartNode, gate: Gate, prefix: str
) -> None:
    node = await start_node(own_commands={"wait": gate.run}, max_commands=2)
    client = await node.connect_with_token(f"{prefix}a")
    other = await node.connect_with_token(f"{prefix}a")
    running = [await client.begin(*call("wait", number)) for number in range(2)]
    assert await refusal(client, *call("wait")) == "TOO_MANY_COMMANDS"
    others = await other.begin(*call("wait", "other"))
    gate.opened.set()
    assert [(await client.answer(one))["result"] for one in running] == [0, 1]
    assert (await other.answer(others))["result"] == "other"
    assert (await client.ask(*call("wait", "again")))["result"] == "again"


async def test_calling_commands_faster_than_the_rate_is_refused(start_node: StartNode, prefix: str) -> None:
    node = await start_node(own_commands=COMMANDS, max_command_rate=1)
    client = await node.connect_with_token(f"{prefix}a")
    codes = [(await client.ask(*call("ping"))).get("error", {}).get("code") for _ in range(10)]
    assert codes[:2] == [None, None]
    assert "RATE_LIMITED" in codes


async def test_a_command_goes_on_when_its_session_ends(node: Running, client: Client, gate: Gate) -> None:
    await client.begin(*call("wait"))
    await gate.entered.acquire()
    await client.leave()
    await node.wait_until_empty()
    assert gate.left == []
    gate.opened.set()
    await node.stop()
    assert gate.left == ["done"]


async def test_a_node_that_stops_cancels_what_does_not_end(
    node: Running, client: Client, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hornet.app.lifespan.LEAVE_S", 0.05)
    await client.begin(*call("wait"))
    await gate.entered.acquire()
    await node.stop()
    assert gate.left == ["cancelled"]


async def test_a_client_that_wants_no_answer_gets_none(client: Client, gate: Gate) -> None:
    await client.emit(*call("wait"))
    await gate.entered.acquire()
    gate.opened.set()
    assert (await client.ask(*call("ping")))["result"] == "pong"
    assert gate.left == ["done"]
