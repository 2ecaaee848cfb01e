"""The receiver of each message, by topic, prefix and glob."""

import pytest

from hornet.broker.topic_router import TopicRouter

Got = list[tuple[str, ...]]


@pytest.fixture
def got() -> Got:
    return []


@pytest.fixture
def topics(got: Got) -> TopicRouter:
    topics = TopicRouter()
    topics.on_prefix("", lambda topic, payload: got.append(("rest", topic)))
    topics.on_prefix("hornet:user:", lambda topic, payload: got.append(("users", topic)))
    topics.on_prefix("hornet:", lambda topic, payload: got.append(("own", topic)))
    topics.on("hornet:user:ask", lambda topic, payload: got.append(("ask", topic)))
    topics.on_glob("x*", lambda glob, topic, payload: got.append(("x", glob, topic)))
    return topics


@pytest.mark.parametrize(
    ("topic", "receiver"),
    [
        ("hornet:user:ask", "ask"),
        ("hornet:user:ask2", "users"),
        ("hornet:channel:a", "own"),
        ("kind:news", "rest"),
    ],
)
def test_a_topic_goes_by_its_name_else_by_its_longest_prefix(
    topics: TopicRouter, got: Got, topic: str, receiver: str
) -> None:
    topics.receive(topic, b"")
    assert got == [(receiver, topic)]


def test_what_a_glob_let_through_goes_by_the_glob(topics: TopicRouter, got: Got) -> None:
    topics.on_other_globs(lambda glob, topic, payload: got.append(("other", glob, topic)))
    topics.receive_match("x*", "xa", b"")
    topics.receive_match("y*", "ya", b"")
    assert got == [("x", "x*", "xa"), ("other", "y*", "ya")]


def test_a_message_without_receiver_is_ignored(got: Got) -> None:
    topics = TopicRouter()
    topics.receive("hornet:a", b"")
    topics.receive_match("x*", "xa", b"")
    assert got == []
