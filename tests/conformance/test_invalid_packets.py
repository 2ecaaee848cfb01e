"""Socket.IO packets of an invalid format: each closes its session and affects no other."""

import pytest

from tests.conformance.client import POLLING_3, POLLING_4, WEBSOCKET_3, WEBSOCKET_4, Clients, Kind
from tests.conformance.differences import node_dies, where_node_differs
from tests.conformance.payloads import Packet

WIRE_FORMATS = [WEBSOCKET_4, WEBSOCKET_3, POLLING_4, POLLING_3]
PLACEHOLDER = '{"_placeholder":true,"num":0}'

INVALID = {
    "no type": "4",
    "a letter as type": "4a",
    "type 7": "47",
    "type 9": "49",
    "a negative type": "4-1",
    "an event without data": "42",
    "an event that is an object": '42{"event":1}',
    "an event that is a string": '42"echo"',
    "an event that is an id alone": "420",
    "an event without a name": "42[]",
    "an event named null": "42[null]",
    "an event named by an object": '42[{"echo":1}]',
    "an event named by a list": '42[["echo"]]',
    "an event named true": "42[true]",
    "a reserved name: connect": '42["connect"]',
    "a reserved name: connect_error": '42["connect_error"]',
    "a reserved name: disconnect": '42["disconnect"]',
    "a reserved name: disconnecting": '42["disconnecting"]',
    "data cut short": '42["echo"',
    "data after the end": '42["echo"]]',
    "no JSON": "42echo",
    "single quotes": "42['echo']",
    "NaN": '42["echo",NaN]',
    "Infinity": '42["echo",-Infinity]',
    "a letter in the id": '42a["echo"]',
    "a negative id": '42-1["echo"]',
    "a digit of another script as id": '42٤["echo"]',
    "an acknowledgement without data": "430",
    "an acknowledgement that is an object": "430{}",
    "leaving with data": "41{}",
    "an error from the client": '44{"message":"no"}',
    "joining with a list": "40/custom,[]",
    "joining with a string": '40/custom,"x"',
    "joining with data cut short": '40/custom,{"a"',
    "no count of attachments": f'45-["echo",{PLACEHOLDER}]',
    "no dash after the count": f'451["echo",{PLACEHOLDER}]',
    "a letter as count": f'45a-["echo",{PLACEHOLDER}]',
    "a fraction as count": f'451.5-["echo",{PLACEHOLDER}]',
    "a negative count": f'45-1-["echo",{PLACEHOLDER}]',
    "far too many attachments": f'45100000000-["echo",{PLACEHOLDER}]',
    "a binary event that is an object": "451-{}",
    "a binary acknowledgement without data": "461-0",
}
LET_PASS_BY_NODE = {
    "an event without data",
    "an event that is an id alone",
    "an acknowledgement without data",
    "a binary acknowledgement without data",
}

INVALID_BINARY: dict[str, list[Packet]] = {
    "binary that was not due": [b"abc"],
    "empty binary that was not due": [b""],
    "text where an attachment is due": [f'451-["echo",{PLACEHOLDER}]', '42["echo"]'],
    "text where the second attachment is due": [f'452-["echo",{PLACEHOLDER}]', b"a", '42["echo"]'],
    "one attachment too many": [f'451-["echo",{PLACEHOLDER}]', b"a", b"b"],
    "a placeholder beyond the attachments": ['451-["echo",{"_placeholder":true,"num":1}]', b"a"],
    "a negative placeholder": ['451-["echo",{"_placeholder":true,"num":-1}]', b"a"],
    "a placeholder without a number": ['451-["echo",{"_placeholder":true}]', b"a"],
    "a placeholder numbered by text": ['451-["echo",{"_placeholder":true,"num":"0"}]', b"a"],
    "a binary event without a name": [f"451-[{PLACEHOLDER}]", b"a"],
}


@pytest.mark.parametrize("kind", WIRE_FORMATS, ids=str)
@pytest.mark.parametrize("name", where_node_differs(INVALID, "lets it pass", LET_PASS_BY_NODE.__contains__))
async def test_an_invalid_packet_closes(clients: Clients, kind: Kind, name: str) -> None:
    client = await clients.joined(kind)
    await client.transport.push(INVALID[name])
    await client.transport.closed()


@pytest.mark.parametrize("kind", WIRE_FORMATS, ids=str)
@pytest.mark.parametrize("name", INVALID_BINARY)
async def test_invalid_binary_closes(clients: Clients, kind: Kind, name: str) -> None:
    client = await clients.joined(kind)
    await client.transport.push(*INVALID_BINARY[name])
    await client.transport.closed()


HOSTILE = {
    "deep lists": '42["echo",' + "[" * 9_000 + "]" * 9_000 + "]",
    "deep objects": '42["echo",' + '{"a":' * 3_000 + "1" + "}" * 3_000 + "]",
    "a huge id": "42" + "9" * 9_000 + '["ask"]',
    "a huge integer": '42["echo",' + "9" * 9_000 + "]",
    "a number beyond doubles": '42["echo",1e999]',
    "the same key often": '42["echo",{' + ",".join(['"k":1'] * 2_000) + "}]",
    "a name of a member": '42["__proto__",{"__proto__":{"x":1}}]',
    "a name of a method": '42["on_connect"]',
    "an empty name": '42[""]',
    "a name that is a number": "42[1]",
    "a namespace of its own length": "42/" + "x" * 9_000 + ',["echo"]',
    "a lone surrogate in a namespace": '40/"\\ud800",',
    "a byte order mark": '42\ufeff["echo"]',
}
DEADLY = {name: node_dies("its stack overflows") for name in ("deep lists", "deep objects")}


@pytest.mark.parametrize("kind", WIRE_FORMATS, ids=str)
@pytest.mark.parametrize("name", [pytest.param(name, marks=DEADLY.get(name, [])) for name in HOSTILE])
async def test_a_hostile_packet_harms_only_its_sender(clients: Clients, kind: Kind, name: str) -> None:
    """Whether it is answered or refused is open; if answered, then in valid packets.

    Node's process ends when an application sends deep lists back: its search for binary recurses.
    """
    bystander = await clients.joined(WEBSOCKET_4)
    client = await clients.joined(kind)
    await client.transport.push(HOSTILE[name])
    await client.transport.push('420["ask","done"]', '42["drop"]')
    await client.transport.closed()
    assert await bystander.ask("ask", 1) == [1]
