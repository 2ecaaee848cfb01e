"""The sessions of a node: how they are found, and how often each may do something."""

import pytest

from hornet.engine import Handshake
from hornet.flows.sessions.sessions import Activity, Session, Sessions


def session(sid: str) -> Session:
    return Session(sid, "192.0.2.1", Handshake(None, {}, {}, "192.0.2.1", 4))


@pytest.fixture
def sessions() -> Sessions:
    sessions = Sessions()
    for sid in "abc":
        sessions.add(session(sid))
    return sessions


def get(sessions: Sessions, sid: str) -> Session:
    found = sessions.get(sid)
    assert found is not None
    return found


def test_sessions_are_found_by_their_tokens_until_they_end(sessions: Sessions) -> None:
    first, second = get(sessions, "a"), get(sessions, "b")
    sessions.remember_token(first, "t1", ("news",))
    sessions.remember_token(first, "t2", ("chat",))
    sessions.remember_token(second, "t3", ())
    assert sessions.with_tokens(["t1", "t2", "t3", "t4"]) == [first, second]
    assert sessions.sids_with_tokens(["t1", "c", "nobody"]) == {"a", "c"}
    sessions.forget_tokens(first)
    assert sessions.remove("b") is second
    assert sessions.with_tokens(["t1", "t2", "t3"]) == []
    assert sessions.remove("b") is None


def test_sessions_are_found_by_their_user(sessions: Sessions) -> None:
    first, second = get(sessions, "a"), get(sessions, "b")
    sessions.set_user(first, "ana")
    sessions.set_user(second, "ana")
    assert sessions.of_user("ana") == [first, second]
    assert (sessions.user_count, sessions.with_user, sessions.users()) == (1, 2, ["ana"])
    sessions.set_user(first, "ben")
    sessions.set_user(second, None)
    assert sessions.of_user("ana") == []
    assert (sessions.user_count, sessions.with_user, sessions.users()) == (1, 1, ["ben"])


def test_each_activity_of_a_session_has_a_rate_of_its_own() -> None:
    client = session("a")
    assert [client.may(Activity.EVENT, 1.0, 0.0) for _ in range(3)] == [True, True, False]
    assert client.may(Activity.PUBLISH, 1.0, 0.0)
    assert not client.may(Activity.EVENT, 1.0, 0.5)
    assert client.may(Activity.EVENT, 1.0, 1.0)
    assert session("b").may(Activity.EVENT, 1.0, 1.0)
