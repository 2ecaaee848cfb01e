"""The times that a session keeps: pings, pongs and the time to connect, in both protocol versions."""

from hornet.engine import EngineSettings
from hornet.engine.transport.heartbeat import Action, Heartbeat

SETTINGS = EngineSettings(ping_interval_s=25.0, ping_timeout_s=20.0, connect_timeout_s=45.0)


def connected(protocol: int) -> Heartbeat:
    heartbeat = Heartbeat(SETTINGS, protocol, now=100.0)
    heartbeat.on_connected()
    return heartbeat


def test_version_4_is_pinged_after_the_interval_and_ends_without_a_pong() -> None:
    heartbeat = connected(4)
    assert heartbeat.due == 125.0
    assert heartbeat.on_timeout(SETTINGS, 125.0) is Action.PING
    assert heartbeat.due == 145.0
    assert heartbeat.on_timeout(SETTINGS, 145.0) is Action.PING_TIMEOUT


def test_a_late_timer_shortens_the_wait_for_a_pong_by_no_more_than_it_may_be_late() -> None:
    for fired_at, ends_at in ((125.2, 145.0), (125.25, 145.0), (130.0, 149.75)):
        heartbeat = connected(4)
        assert heartbeat.on_timeout(SETTINGS, fired_at, 0.25) is Action.PING
        assert heartbeat.due == ends_at


def test_version_4_lives_on_with_a_pong() -> None:
    heartbeat = connected(4)
    heartbeat.on_timeout(SETTINGS, 125.0)
    heartbeat.on_pong(SETTINGS, 126.0)
    assert heartbeat.due == 151.0
    assert heartbeat.on_timeout(SETTINGS, 151.0) is Action.PING


def test_version_3_ends_without_a_ping_of_its_own() -> None:
    heartbeat = connected(3)
    assert heartbeat.due == 145.0
    heartbeat.on_ping(SETTINGS, 125.0)
    assert heartbeat.on_timeout(SETTINGS, 145.0) is Action.WAIT
    assert heartbeat.due == 170.0
    assert heartbeat.on_timeout(SETTINGS, 170.0) is Action.PING_TIMEOUT


def test_version_4_must_connect_to_a_namespace_in_time() -> None:
    heartbeat = Heartbeat(SETTINGS, 4, now=100.0)
    assert not heartbeat.is_connected
    assert heartbeat.on_timeout(SETTINGS, 125.0) is Action.PING
    heartbeat.on_pong(SETTINGS, 125.0)
    assert heartbeat.due == 145.0, "the connect timeout is before the next ping"
    assert heartbeat.on_timeout(SETTINGS, 145.0) is Action.CONNECT_TIMEOUT


def test_version_3_is_connected_from_the_start() -> None:
    assert Heartbeat(SETTINGS, 3, now=100.0).is_connected
