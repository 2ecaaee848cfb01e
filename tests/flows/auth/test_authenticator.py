"""A way of proving that Hornet does not have: what it is given, and what it may do."""

from typing import Any

import pytest

from hornet.core.errors import RedisUnavailable
from hornet.flows.sessions.sessions import Session
from hornet.plugins import Answer, Authenticator, Event, Evidence, Grant, RefusedCredentials, Source
from tests.flows.conftest import StartNode


class Password(Authenticator):
    """Takes ``{"password"}``; what the password is, decides."""

    events = ("knock",)

    def __init__(self) -> None:
        self.seen: list[tuple[Source, str, object]] = []
        self.is_closed = False

    def offer(self, shown: Evidence) -> str | None:
        self.seen.append((shown.where, shown.event, shown.value))
        password = shown.fields.get("password")
        if password == "malformed":
            raise RefusedCredentials("WRONG_PASSWORD", "it is malformed")
        return password

    async def check(self, claim: str) -> Grant:
        match claim:
            case "ana":
                return Grant("ana", {"name": "Ana"}, ("news",), ("chat",), {"role": "editor"})
            case "reserved":
                return Grant(channels=("hornet",))
            case "nobody":
                return Grant("")
            case "bug":
                raise ZeroDivisionError
            case "away":
                raise RedisUnavailable("it is away")
        raise RefusedCredentials("WRONG_PASSWORD", "it is another one")

    async def aclose(self) -> None:
        self.is_closed = True


class Curt(Password):
    """Answers in words of its own."""

    def accepted(self, session: Session, claim: str) -> Answer:
        return Event("come-in", {"user": session.user})

    def refused(self, refused: RefusedCredentials) -> Answer | None:
        return None

    def exhausted(self) -> Answer:
        return Event("go-away", None)


async def test_an_authenticator_is_offered_evidence_from_each_source(start_node: StartNode) -> None:
    password = Password()
    running = await start_node(ways=[password])
    client = await running.connect(auth={"a": 1})
    await client.emit("message", '{"password": "ana"}')
    assert (await client.message())["type"] == "connected"
    await client.ask("knock", {"password": "ana"})
    assert password.seen == [
        (Source.REQUEST, "", None),
        (Source.AUTH, "", {"a": 1}),
        (Source.EVENT, "message", '{"password": "ana"}'),
        (Source.EVENT, "knock", {"password": "ana"}),
    ]


async def test_a_grant_of_an_authenticator_is_given_to_the_session(start_node: StartNode) -> None:
    running = await start_node(ways=[Password()])
    client = await running.connect(auth={"password": "ana"})
    assert (await client.message())["type"] == "connected"
    session = running.session(client)
    assert (session.user, session.info, list(session.channels)) == ("ana", {"name": "Ana"}, ["news"])
    assert (session.publish.patterns, session.attributes) == (("chat",), {"role": "editor"})


@pytest.mark.parametrize("shown", ["malformed", "other"])
async def test_a_refusal_of_an_authenticator_is_sent_with_its_code(start_node: StartNode, shown: str) -> None:
    running = await start_node(ways=[Password()])
    client = await running.connect()
    detail = {"malformed": "it is malformed", "other": "it is another one"}[shown]
    assert await client.ask("knock", {"password": shown}) == {
        "error": {"code": "WRONG_PASSWORD", "message": detail}
    }
    assert await client.message() == {
        "type": "error", "channel": "hornet", "error": "WRONG_PASSWORD", "errorMsg": detail,
    }  # fmt: skip


@pytest.mark.parametrize("shown", ["reserved", "nobody", "bug", "away"])
async def test_an_authenticator_that_fails_is_told_as_unavailable_and_harms_nobody(
    start_node: StartNode, shown: str
) -> None:
    running = await start_node(ways=[Password()])
    client = await running.connect()
    await client.emit("message", {"password": shown})
    assert (await client.message())["error"] == "UNAVAILABLE"
    await client.emit("message", {"password": "ana"})
    assert (await client.message())["type"] == "connected"


async def test_declined_evidence_is_offered_to_the_other_authenticators(start_node: StartNode) -> None:
    running = await start_node(ways=[Password()])
    client = await running.connect_with_token("news")
    answer = await client.ask("knock", {"other": 1})
    assert answer["error"]["code"] == "WRONG_PARAMETERS"


async def test_its_own_words_are_used(start_node: StartNode) -> None:
    running = await start_node(ways=[Curt()], max_attempts=2)
    client = await running.connect(auth={"password": "ana"})
    assert await client.event() == ("come-in", {"user": "ana"})
    for _ in range(2):
        await client.ask("knock", {"password": "other"})
    assert await client.event() == ("go-away", None)
    await client.expect_closed()


async def test_by_default_too_many_failures_are_told_as_an_error(start_node: StartNode) -> None:
    running = await start_node(ways=[Password()], max_attempts=1)
    client = await running.connect(auth={"password": "other"})
    assert (await client.message())["error"] == "WRONG_PASSWORD"
    assert (await client.message())["error"] == "TOO_MANY_ATTEMPTS"
    await client.expect_closed()


async def test_an_authenticator_is_closed_with_the_node(start_node: StartNode) -> None:
    password = Password()
    running = await start_node(ways=[password])
    await running.stop()
    assert password.is_closed


def test_a_way_without_offer_and_check_is_none() -> None:
    nothing: Any = type("Nothing", (Authenticator,), {})
    with pytest.raises(TypeError, match="check"):
        nothing()
