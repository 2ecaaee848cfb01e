"""The subscription state machine: every race between what is wanted and what Redis answers, without Redis."""

import random

import pytest

from hornet.broker import subscription_state
from hornet.broker.subscription_state import (
    ASK_AGAIN_S,
    NAMES_PER_COMMAND,
    WAIT_LIMIT_S,
    RefusalNews,
    Regained,
    Restored,
    Settled,
    Subscription,
    SubscriptionState,
    SubscriptionStatus,
)
from hornet.core.errors import RedisUnavailable, RefusedByRedis

WAITING, CONFIRMED, FAILED = SubscriptionStatus
EVENTS = ("subscribe", "unsubscribe", "send", "answer", "ping", "connection", "acl", "time")
NO_PERMISSION = "No permissions to access a channel"


class Machine:
    """A state machine with a Redis that answers when the test says so, in the order of the commands."""

    def __init__(self, *, connected: bool = True) -> None:
        self.state = SubscriptionState()
        self.now = 100.0
        self.forbidden: set[str] = set()
        self.on_server: set[str] = set()
        self.sent: list[str] = []
        self._unanswered: list[tuple[str, list[str]]] = []
        self.effects: list[object] = []
        self.state.on_start(self.now)
        if connected:
            self.connect()

    def connect(self) -> None:
        self.on_server.clear()
        self._unanswered.clear()
        self.state.on_connection()
        self.run()

    def lose(self) -> None:
        self.on_server.clear()
        self.state.on_lost(self.now)
        self._take_effects()

    def subscribe(self, topic: str) -> Subscription:
        return self.state.subscribe(self.state.topics, topic)

    def unsubscribe(self, topic: str) -> None:
        self.state.unsubscribe(self.state.topics, topic)

    def send(self) -> None:
        """Send all commands; Redis has carried none of them out yet."""
        while self.state.has_commands:
            command = self.state.next_command()
            names = [name for name, _ in command.names]
            self.sent.append(f"{command.word.decode()} {' '.join(names)}")
            self._unanswered.append((command.word.decode(), names))

    def ping(self) -> None:
        self.state.on_ping()
        self._unanswered.append(("PING", []))

    def answer(self) -> None:
        """Have Redis carry out and answer one command."""
        word, names = self._unanswered.pop(0)
        if word == "PING":
            self.state.on_pong()
        elif word.endswith("UNSUBSCRIBE"):
            self.on_server.difference_update(names)
            for _ in names:
                self.state.on_confirmation()
        elif self.forbidden.intersection(names):
            self.state.on_refusal(NO_PERMISSION, self.now)
        else:
            self.on_server.update(names)
            for _ in names:
                self.state.on_confirmation()
        self._take_effects()

    def run(self) -> None:
        """Send and answer until nothing is left."""
        self.send()
        while self._unanswered:
            self.answer()
            self.send()
        self._take_effects()

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        while self.state.deadline is not None and self.state.deadline <= self.now:
            self.state.on_time(self.state.deadline)
        self._take_effects()

    def _take_effects(self) -> None:
        self.effects += self.state.take_effects()

    def count(self, kind: type) -> int:
        return sum(isinstance(effect, kind) for effect in self.effects)

    def settled(self, subscription: Subscription) -> bool:
        return Settled(subscription) in self.effects


# Wanted and confirmed


def test_a_subscription_is_confirmed_when_redis_says_so_and_not_when_it_is_sent() -> None:
    machine = Machine()
    topic = machine.subscribe("a")
    machine.send()
    assert topic.status is WAITING
    machine.answer()
    assert topic.status is CONFIRMED
    assert machine.settled(topic)


def test_neighbours_share_a_command_and_directions_do_not() -> None:
    machine = Machine()
    for name in ("a", "b"):
        machine.subscribe(name)
    machine.unsubscribe("a")
    machine.subscribe("c")
    machine.state.subscribe(machine.state.globs, "g*")
    machine.run()
    assert machine.sent == ["SUBSCRIBE a b", "UNSUBSCRIBE a", "SUBSCRIBE c", "PSUBSCRIBE g*"]


def test_a_command_has_a_limited_number_of_names() -> None:
    machine = Machine()
    for number in range(2 * NAMES_PER_COMMAND + 1):
        machine.subscribe(f"t{number}")
    machine.run()
    assert [len(text.split()) - 1 for text in machine.sent] == [NAMES_PER_COMMAND, NAMES_PER_COMMAND, 1]


def test_only_the_last_unsubscribe_reaches_redis() -> None:
    machine = Machine()
    subscriptions = {id(machine.subscribe("a")) for _ in range(3)}
    assert len(subscriptions) == 1
    machine.run()
    machine.unsubscribe("a")
    machine.unsubscribe("a")
    machine.run()
    assert machine.sent == ["SUBSCRIBE a"]
    machine.unsubscribe("a")
    machine.run()
    assert machine.sent == ["SUBSCRIBE a", "UNSUBSCRIBE a"]
    assert not machine.state.topics.wanted


def test_a_subscription_is_not_confirmed_by_that_of_an_earlier_one_of_the_same_name() -> None:
    machine = Machine()
    first = machine.subscribe("a")
    machine.unsubscribe("a")
    second = machine.subscribe("a")
    machine.send()
    machine.answer()
    assert (first.status, second.status) == (CONFIRMED, WAITING)
    machine.answer()
    assert second.status is WAITING, "that was the UNSUBSCRIBE"
    machine.answer()
    assert second.status is CONFIRMED
    assert machine.on_server == {"a"}


def test_a_name_that_utf8_can_not_carry_is_refused_and_not_wanted() -> None:
    machine = Machine()
    with pytest.raises(ValueError, match="surrogates"):
        machine.subscribe("\ud800")
    assert not machine.state.topics.wanted
    assert not machine.state.has_commands


def test_a_ping_takes_its_turn_among_the_answers() -> None:
    machine = Machine()
    first = machine.subscribe("a")
    machine.send()
    machine.ping()
    second = machine.subscribe("b")
    machine.send()
    machine.answer()
    machine.answer()
    assert (first.status, second.status) == (CONFIRMED, WAITING)
    machine.answer()
    assert second.status is CONFIRMED


def test_a_ping_that_is_refused_harms_nothing() -> None:
    machine = Machine()
    machine.state.on_ping()
    machine.state.on_refusal("no permissions to run the 'ping' command", machine.now)
    topic = machine.subscribe("a")
    machine.run()
    assert topic.status is CONFIRMED
    assert machine.state.refusals == 0


# Connections


def test_with_nothing_wanted_a_connection_counts_at_once() -> None:
    machine = Machine(connected=False)
    assert not machine.state.is_connected
    machine.connect()
    assert machine.state.is_connected
    assert machine.count(Restored) == 1


def test_a_connection_counts_once_it_has_what_was_wanted_at_its_start() -> None:
    machine = Machine(connected=False)
    machine.subscribe("a")
    machine.state.subscribe(machine.state.globs, "g*")
    machine.state.on_connection()
    machine.send()
    machine.subscribe("later")
    machine.answer()
    assert not machine.state.is_connected
    machine.answer()
    assert machine.state.is_connected


def test_before_a_connection_nothing_is_asked_and_then_everything_in_the_order_of_wanting() -> None:
    machine = Machine(connected=False)
    for name in ("b", "a", "c"):
        machine.subscribe(name)
    machine.unsubscribe("a")
    assert not machine.state.has_commands
    machine.connect()
    assert machine.sent == ["SUBSCRIBE b c"]


def test_a_lost_connection_takes_all_confirmations_and_commands_with_it() -> None:
    machine = Machine()
    confirmed = machine.subscribe("a")
    machine.run()
    unanswered = machine.subscribe("b")
    machine.send()
    unsent = machine.subscribe("c")
    machine.lose()
    assert {subscription.status for subscription in (confirmed, unanswered, unsent)} == {WAITING}
    assert not machine.state.has_commands
    assert not machine.state.is_connected
    assert machine.state.reconnections == 1
    machine.connect()
    assert {subscription.status for subscription in (confirmed, unanswered, unsent)} == {CONFIRMED}
    assert machine.on_server == {"a", "b", "c"}


def test_a_connection_that_is_lost_before_it_was_restored_is_no_reconnection() -> None:
    machine = Machine(connected=False)
    machine.subscribe("a")
    machine.state.on_connection()
    machine.lose()
    assert machine.state.reconnections == 0
    assert machine.count(Restored) == 0


def test_what_was_given_up_while_redis_was_away_is_not_asked_for_again() -> None:
    machine = Machine()
    machine.subscribe("a")
    machine.run()
    machine.lose()
    machine.subscribe("b")
    machine.unsubscribe("b")
    machine.unsubscribe("a")
    machine.connect()
    assert machine.on_server == set()


def test_giving_up_what_is_being_restored_does_not_hold_the_connection_back() -> None:
    machine = Machine(connected=False)
    machine.subscribe("a")
    machine.subscribe("b")
    machine.state.on_connection()
    machine.send()
    machine.unsubscribe("a")
    machine.run()
    assert machine.state.is_connected
    assert machine.on_server == {"b"}


# The wait for a connection


def test_a_wait_ends_in_a_failure_and_later_subscriptions_fail_at_once() -> None:
    machine = Machine()
    topic = machine.subscribe("a")
    machine.run()
    machine.lose()
    machine.sleep(WAIT_LIMIT_S - 0.1)
    assert topic.status is WAITING
    machine.sleep(0.2)
    assert topic.status is FAILED
    assert isinstance(topic.error, RedisUnavailable)
    late = machine.subscribe("late")
    assert late.status is FAILED
    machine.connect()
    assert topic.status is late.status is CONFIRMED, "they went on to be wanted"


def test_failed_attempts_do_not_prolong_a_wait() -> None:
    machine = Machine(connected=False)
    topic = machine.subscribe("a")
    for _ in range(5):
        machine.sleep(WAIT_LIMIT_S / 5)
        machine.state.on_connection()
        machine.lose()
    assert topic.status is FAILED


def test_a_connection_lost_again_after_the_wait_limit_leaves_no_subscription_waiting() -> None:
    machine = Machine(connected=False)
    topic = machine.subscribe("a")
    machine.sleep(WAIT_LIMIT_S)
    machine.state.on_connection()
    assert topic.status is WAITING
    machine.effects.clear()
    machine.lose()
    assert topic.status is FAILED
    assert machine.settled(topic)


def test_a_connection_ends_the_wait_and_the_next_loss_begins_another() -> None:
    machine = Machine()
    assert machine.state.deadline is None
    machine.sleep(60)
    machine.lose()
    assert machine.state.deadline == machine.now + WAIT_LIMIT_S
    machine.connect()
    assert machine.state.deadline is None


def test_a_stop_ends_the_wait() -> None:
    machine = Machine(connected=False)
    machine.state.on_stop()
    assert machine.state.deadline is None


# Refusals


def test_a_refused_topic_fails_alone() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    good, bad, other = (machine.subscribe(name) for name in ("good", "bad", "other"))
    machine.run()
    assert good.status is other.status is CONFIRMED
    assert bad.status is FAILED
    assert isinstance(bad.error, RefusedByRedis)
    assert "&bad" in str(bad.error)
    assert machine.state.refused == ("bad",)
    assert machine.state.refusals == 1
    assert machine.state.is_connected


def test_refused_topics_are_found_among_thousands_by_halves() -> None:
    machine = Machine()
    names = [f"t{number}" for number in range(2500)]
    machine.forbidden.update(("t0", "t1234", "t2499"))
    for name in names:
        machine.subscribe(name)
    machine.run()
    assert machine.on_server == set(names) - machine.forbidden
    assert set(machine.state.refused) == machine.forbidden
    assert len(machine.sent) < 80


def test_what_is_asked_meanwhile_is_not_refused_with_the_halves() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    machine.subscribe("good")
    machine.subscribe("bad")
    machine.send()
    machine.answer()
    fresh = machine.subscribe("fresh")
    machine.run()
    assert machine.sent == ["SUBSCRIBE good bad", "SUBSCRIBE good", "SUBSCRIBE bad", "SUBSCRIBE fresh"]
    assert fresh.status is CONFIRMED


def test_a_topic_given_up_before_the_refusal_of_its_command_is_not_asked_for_again() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    given_up = machine.subscribe("gone")
    machine.subscribe("bad")
    machine.send()
    machine.unsubscribe("gone")
    machine.answer()
    assert machine.settled(given_up)
    machine.run()
    assert machine.sent == ["SUBSCRIBE gone bad", "UNSUBSCRIBE gone", "SUBSCRIBE bad"]


def test_giving_up_and_asking_again_in_a_refused_command_ends_as_wanted() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    machine.subscribe("a")
    machine.subscribe("bad")
    machine.send()
    machine.unsubscribe("a")
    again = machine.subscribe("a")
    machine.run()
    assert again.status is CONFIRMED
    assert machine.on_server == {"a"}


def test_a_refused_topic_is_asked_for_again_from_time_to_time() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    bad = machine.subscribe("bad")
    machine.run()
    machine.sleep(ASK_AGAIN_S)
    assert bad.status is WAITING
    machine.run()
    assert bad.status is FAILED
    machine.forbidden.clear()
    machine.sleep(ASK_AGAIN_S)
    machine.run()
    assert bad.status is CONFIRMED
    assert machine.count(Regained) == 1
    assert machine.state.refused == ()
    assert machine.state.deadline is None


def test_a_refused_topic_given_up_while_it_is_asked_for_again_ends_unsubscribed() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    machine.subscribe("bad")
    machine.run()
    machine.sleep(ASK_AGAIN_S)
    machine.send()
    machine.forbidden.clear()
    machine.unsubscribe("bad")
    machine.run()
    assert machine.on_server == set()
    assert machine.count(Regained) == 0
    assert machine.state.refused == ()


def test_a_right_taken_away_with_the_connection_costs_its_topics_alone_until_it_is_back() -> None:
    machine = Machine()
    good, gone = machine.subscribe("good"), machine.subscribe("gone")
    machine.run()
    machine.forbidden.add("gone")
    machine.lose()
    machine.connect()
    assert (good.status, gone.status) == (CONFIRMED, FAILED)
    assert machine.state.is_connected, "Redis has answered about everything"
    machine.forbidden.clear()
    machine.sleep(ASK_AGAIN_S)
    machine.run()
    assert gone.status is CONFIRMED
    assert machine.count(Regained) == 1


def test_what_a_new_connection_permits_is_told_by_its_restoration_alone() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    machine.subscribe("bad")
    machine.run()
    machine.lose()
    machine.forbidden.clear()
    machine.effects.clear()
    machine.connect()
    assert (machine.count(Regained), machine.count(Restored)) == (0, 1)
    assert machine.state.refused == ()


def test_nothing_is_asked_again_while_there_is_no_connection() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    machine.subscribe("bad")
    machine.run()
    machine.lose()
    assert machine.state.deadline == machine.now + WAIT_LIMIT_S


def test_each_refused_topic_is_reported_once_until_it_was_permitted() -> None:
    machine = Machine()
    machine.forbidden.add("bad")
    for _ in range(3):
        machine.subscribe("bad")
        machine.run()
        machine.unsubscribe("bad")
    assert machine.count(RefusalNews) == 1
    machine.forbidden.clear()
    machine.subscribe("bad")
    machine.run()
    machine.unsubscribe("bad")
    machine.forbidden.add("bad")
    machine.subscribe("bad")
    machine.run()
    assert machine.count(RefusalNews) == 2


def test_many_refused_topics_are_not_all_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription_state, "MAX_NAMED", 10)
    machine = Machine()
    for number in range(50):
        machine.forbidden.add(f"bad{number}")
        machine.subscribe(f"bad{number}")
    machine.run()
    news = [effect.reason for effect in machine.effects if isinstance(effect, RefusalNews)]
    assert len(news) == 11
    assert [reason for reason in news if not reason] == [""], "the last says that no more are named"


# Everything together


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_redis_has_in_the_end_what_is_wanted(seed: int) -> None:
    draw = random.Random(seed)
    names = [f"t{number}" for number in range(6)]
    machine = Machine(connected=False)
    holders: dict[str, int] = {}
    is_up = False
    for _ in range(300):
        name = draw.choice(names)
        match draw.choice(EVENTS):
            case "subscribe":
                machine.subscribe(name)
                holders[name] = holders.get(name, 0) + 1
            case "unsubscribe" if holders.get(name):
                machine.unsubscribe(name)
                holders[name] -= 1
            case "send":
                machine.send()
            case "answer" if machine._unanswered:
                machine.answer()
            case "ping" if is_up:
                machine.ping()
            case "connection" if draw.random() < 0.2:
                if is_up:
                    machine._unanswered.clear()
                    machine.lose()
                else:
                    machine.state.on_connection()
                is_up = not is_up
            case "acl":
                machine.forbidden.symmetric_difference_update((name,))
                # Redis closes a connection that has what is no longer permitted.
                if is_up and machine.forbidden & machine.on_server:
                    machine._unanswered.clear()
                    machine.lose()
                    is_up = False
            case "time":
                machine.sleep(draw.random())
    if not is_up:
        machine.connect()
    machine.run()
    wanted = {name for name, number in holders.items() if number}
    assert set(machine.state.topics.wanted) == wanted
    refused = set(machine.state.refused)
    assert machine.on_server == wanted - refused
    assert wanted & machine.forbidden <= refused, "some may be permitted again by now"
    machine.forbidden.clear()
    machine.sleep(ASK_AGAIN_S)
    machine.run()
    assert machine.on_server == wanted
    for subscription in machine.state.topics.wanted.values():
        assert subscription.status is CONFIRMED
        assert subscription.holders == holders[subscription.name]
    assert machine.state.is_connected
