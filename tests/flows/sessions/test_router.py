"""The table of client events: which handler answers, and what a refusal looks like."""

from collections.abc import Mapping, Sequence

import pytest

from hornet.core.errors import RedisUnavailable, RefusedByRedis
from hornet.core.sessions import AuthStep
from hornet.engine import Handshake, SharedAnswer
from hornet.flows.sessions.router import EventRoute, RefusedEvent, Router, by_field
from hornet.flows.sessions.session_log import SessionLog
from hornet.flows.sessions.sessions import Session
from hornet.metrics import Metrics


async def answer(session: Session, args: Sequence[object]) -> object:
    return {"ok": True, "args": list(args)}


async def refuse(session: Session, args: Sequence[object]) -> object:
    raise RefusedEvent("FORBIDDEN", "no")


async def lose_redis(session: Session, args: Sequence[object]) -> object:
    raise RedisUnavailable("it is away")


async def lose_right(session: Session, args: Sequence[object]) -> object:
    raise RefusedByRedis("NOPERM")


def new_session() -> Session:
    return Session("sid", "192.0.2.1", Handshake(None, {}, {}, "192.0.2.1", 4))


def ready_session() -> Session:
    session = new_session()
    session.move(AuthStep.GRANTED)
    return session


def code_of(answer: object) -> object:
    assert isinstance(answer, dict)
    assert answer["error"]["message"]
    return answer["error"]["code"]


@pytest.fixture
def router() -> Router:
    handlers = {"answer": answer, "refuse": refuse, "lose_redis": lose_redis, "lose_right": lose_right}
    routes = [EventRoute(event, handler, True) for event, handler in handlers.items()]
    return Router([*routes, EventRoute("open", answer, False)], Metrics(), SessionLog())


async def test_a_handler_answers_the_acknowledgement(router: Router) -> None:
    assert await router.handle(ready_session(), "answer", (1, 2)) == {"ok": True, "args": [1, 2]}


async def test_an_event_without_a_handler_is_refused(router: Router) -> None:
    assert code_of(await router.handle(ready_session(), "nothing", ())) == "UNKNOWN_EVENT"


async def test_a_new_session_is_refused_where_the_route_needs_authentication(router: Router) -> None:
    assert code_of(await router.handle(new_session(), "answer", ())) == "NOT_AUTHENTICATED"
    assert await router.handle(new_session(), "open", ()) == {"ok": True, "args": []}


@pytest.mark.parametrize(
    ("event", "code"),
    [("refuse", "FORBIDDEN"), ("lose_redis", "UNAVAILABLE"), ("lose_right", "REFUSED_BY_REDIS")],
)
async def test_a_failure_is_answered_by_its_code(router: Router, event: str, code: str) -> None:
    assert code_of(await router.handle(ready_session(), event, ())) == code


def test_two_routes_for_one_event_are_an_error() -> None:
    with pytest.raises(ValueError, match="two handlers"):
        Router([EventRoute("a", answer, True), EventRoute("a", refuse, True)], Metrics(), SessionLog())


async def test_by_field_calls_the_request_of_the_only_field_that_is_there() -> None:
    async def pattern(session: Session, request: Mapping[str, object]) -> object:
        return ("pattern", request["pattern"])

    async def channel(session: Session, request: Mapping[str, object]) -> object:
        return ("channel", request["channel"])

    handler = by_field(pattern=pattern, channel=channel)
    assert await handler(ready_session(), ({"channel": "news"},)) == ("channel", "news")
    assert await handler(ready_session(), ({"pattern": {}, "token": "t"},)) == ("pattern", {})
    wrong: tuple[tuple[object, ...], ...] = ((), ("news",), ({},), ({"pattern": {}, "channel": "news"},))
    for args in wrong:
        with pytest.raises(RefusedEvent, match="'pattern' or 'channel'"):
            await handler(ready_session(), args)


async def test_several_in_one_event_get_the_members_as_they_are_when_the_answer_is_sent() -> None:
    members = ["ann", "ben"]

    def listed() -> SharedAnswer:
        return SharedAnswer({"members": list(members)}, latest=listed)

    async def join_or_leave(session: Session, args: Sequence[object]) -> object:
        argument = args[0]
        assert isinstance(argument, dict)
        if "leaves" in argument:
            members.remove(argument["leaves"])  # the session is told of this before it has its answer
        return listed()

    router = Router([EventRoute("join", join_or_leave, True, True)], Metrics(), SessionLog())
    several = {"subscriptions": [{"channel": "a"}, {"leaves": "ben"}]}
    answer = await router.handle(ready_session(), "join", (several,))
    assert answer == {"ok": True, "subscriptions": [{"members": ["ann"]}] * 2}
