"""Headers that name a user count only from a trusted proxy."""

import json

import pytest
from multidict import CIMultiDict

from hornet.connector import AsyncConnector
from tests.conftest import Valkey
from tests.flows.client import Client
from tests.flows.conftest import Running, StartNode

OPTIONS = {"user_header": "X-User", "attribute_headers": "X-Device,X-Group"}
SAID = {"X-User": "ana", "X-Device": "phone", "X-Other": "no"}


@pytest.fixture
async def behind_proxy(start_node: StartNode) -> Running:
    return await start_node(trusted_proxies="127.0.0.0/8,::1", **OPTIONS)


@pytest.fixture
async def not_behind_proxy(start_node: StartNode) -> Running:
    return await start_node(trusted_proxies="10.0.0.0/8", **OPTIONS)


async def test_a_trusted_proxy_names_the_user(behind_proxy: Running) -> None:
    client = await behind_proxy.connect(**SAID)
    assert await client.ask("user:logout") == {"ok": True}  # whatever was before it has been handled
    client = await behind_proxy.connect(**SAID)
    await client.show("nosuchtok", "news")
    assert (await client.message())["error"] == "INVALID_TOKEN"  # so nothing was told before
    session = behind_proxy.session(client)
    assert session.user == "ana"
    assert session.attributes == {"X-Device": "phone"}


async def test_from_anyone_else_the_headers_are_ignored(not_behind_proxy: Running) -> None:
    client = await not_behind_proxy.connect(**SAID)
    await client.show("nosuchtok", "news")
    assert (await client.message())["error"] == "INVALID_TOKEN"
    session = not_behind_proxy.session(client)
    assert (session.user, session.attributes) == (None, None)


async def test_whose_word_counts_is_not_for_a_request_to_say(not_behind_proxy: Running) -> None:
    """The address that ``X-Forwarded-For`` claims is a trusted one; the connection comes from elsewhere."""
    client = await not_behind_proxy.connect(
        **SAID, **{"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1"}
    )
    await client.show("nosuchtok", "news")
    assert (await client.message())["error"] == "INVALID_TOKEN"
    session = not_behind_proxy.session(client)
    assert (session.user, session.address) == (None, "127.0.0.1")


async def test_a_guest_of_a_trusted_proxy_has_attributes_and_the_timeout(start_node: StartNode) -> None:
    running = await start_node(0.3, trusted_proxies="127.0.0.1", **OPTIONS)
    client = await running.connect(**{"X-Device": "phone", "X-User": ""})
    assert running.session(client).attributes == {"X-Device": "phone"}
    assert (await client.message())["error"] == "AUTHENTICATION_TIMEOUT"
    await client.expect_closed()


@pytest.mark.parametrize("said", ["mallory, ana", "x" * 257])
async def test_a_header_that_came_twice_or_is_no_user_is_refused(behind_proxy: Running, said: str) -> None:
    client = await behind_proxy.connect(**{"X-User": said})
    assert (await client.message())["error"] == "INVALID_IDENTITY"
    assert behind_proxy.session(client).user is None


async def test_an_attribute_that_came_in_two_lines_is_ignored(behind_proxy: Running) -> None:
    """The proxy did not remove the client's own line, so none of them can be believed."""
    lines = CIMultiDict(
        [("X-User", "ana"), ("X-Device", "phone"), ("X-Group", "admin"), ("X-Group", "guest")]
    )
    async with Client(behind_proxy.url + "/", None, "", lines) as client:
        await client.show("nosuchtok", "news")
        await client.message()
        session = behind_proxy.session(client)
        assert (session.user, session.attributes) == ("ana", {"X-Device": "phone"})
    lines.add("X-User", "mallory")
    async with Client(behind_proxy.url + "/", None, "", lines) as client:
        assert (await client.message())["error"] == "INVALID_IDENTITY"


async def test_a_token_adds_its_channels_to_the_proxys_user(
    behind_proxy: Running, valkey: Valkey, prefix: str
) -> None:
    async with AsyncConnector(valkey.url) as backend:
        token = await backend.create_access_token(prefix)
    client = await behind_proxy.connect(auth={"token": token, "channel": prefix}, **SAID)
    assert await client.event() == ("message", json.dumps(
        {"type": "connected", "channel": "hornet", "msg": "CONNECTED"}, separators=(",", ":")
    ))  # fmt: skip
    session = behind_proxy.session(client)
    assert (session.user, list(session.channels)) == ("ana", [prefix])


@pytest.mark.parametrize(
    ("header", "believed", "ignored"),
    [
        ("X-Forwarded-For", "1.2.3.4, 203.0.113.9", "for=198.51.100.1"),
        ("Forwarded", "for=1.2.3.4, for=203.0.113.9", "198.51.100.1"),
    ],
)
async def test_the_address_comes_from_the_one_header_that_is_believed(
    start_node: StartNode, header: str, believed: str, ignored: str
) -> None:
    running = await start_node(trusted_proxies="127.0.0.1", forwarded_header=header)
    [other] = {"X-Forwarded-For", "Forwarded"} - {header}
    client = await running.connect(**{header: believed, other: ignored})
    assert running.session(client).address == "203.0.113.9"
