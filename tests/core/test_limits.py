"""Limits of rates and of addresses."""

from collections.abc import Callable

import pytest

from hornet.core.codes import TOO_MANY_CHANNELS, TOO_MANY_CONNECTIONS, TOO_MANY_SESSIONS
from hornet.core.limits import (
    BURST_S,
    AddressLimiter,
    OverLimit,
    RateLimiter,
    Throttle,
    check_channels,
    counted_as,
)


def refused(check: Callable[[], None]) -> str:
    with pytest.raises(OverLimit) as raised:
        check()
    return raised.value.code


# Throttle


def test_one_of_a_kind_passes_in_a_while() -> None:
    throttle = Throttle(10.0)
    assert [throttle.is_due(now) for now in (3.0, 3.0, 12.9, 13.0, 13.1)] == [True, False, False, True, False]
    assert throttle.is_due(13.1, "another kind")


# RateLimiter


def test_a_burst_passes_and_then_the_rate() -> None:
    limiter = RateLimiter(10, 0.0)
    assert sum(limiter.offer(10, 0.0) for _ in range(100)) == 10 * BURST_S
    assert sum(limiter.offer(10, 1.0) for _ in range(100)) == 10
    assert sum(limiter.offer(10, 1000.0) for _ in range(100)) == 10 * BURST_S


def test_a_peer_that_asks_for_too_much_still_gets_its_share() -> None:
    limiter = RateLimiter(10, 0.0)
    passed = sum(limiter.offer(10, moment / 1000) for moment in range(10_000))
    assert 10 * 10 <= passed <= 10 * (10 + BURST_S)


def test_a_rate_below_one_passes_its_first_and_a_clock_that_goes_back_gives_nothing() -> None:
    limiter = RateLimiter(0.1, 100.0)
    assert not limiter.offer(0.1, 100.0)
    assert limiter.offer(0.1, 110.0)
    assert not limiter.offer(0.1, 50.0)
    assert limiter.offer(0.1, 120.0)


@pytest.mark.parametrize(("per_s", "wait_s"), [(1000.0, 1), (1.0, 1), (0.25, 2)])
def test_a_refused_peer_is_told_after_how_many_seconds_it_passes(per_s: float, wait_s: int) -> None:
    limiter = RateLimiter(per_s, 0.0)
    while limiter.offer(per_s, 0.0):
        pass
    assert limiter.wait_s(per_s) == wait_s
    assert limiter.offer(per_s, float(wait_s))


# Addresses


def test_an_address_has_so_many_sessions_and_no_more_until_one_leaves() -> None:
    addresses = AddressLimiter()
    for _ in range(3):
        addresses.check_next("192.0.2.1", 3, 100, 0.0)
    assert refused(lambda: addresses.check_next("192.0.2.1", 3, 100, 0.0)) == TOO_MANY_SESSIONS
    addresses.check_next("192.0.2.2", 3, 100, 0.0)
    addresses.leave("192.0.2.1")
    addresses.check_next("192.0.2.1", 3, 100, 0.0)


def test_sessions_that_come_too_fast_are_refused_and_not_counted() -> None:
    addresses = AddressLimiter()
    for _ in range(2):
        addresses.check_next("192.0.2.1", 3, 1, 0.0)
    assert refused(lambda: addresses.check_next("192.0.2.1", 3, 1, 0.0)) == TOO_MANY_CONNECTIONS
    addresses.check_next("192.0.2.1", 3, 1, 1.0)
    assert refused(lambda: addresses.check_next("192.0.2.1", 3, 1, 9.0)) == TOO_MANY_SESSIONS


def test_addresses_that_left_are_forgotten() -> None:
    addresses = AddressLimiter()
    for number in range(5000):
        address = f"10.{number >> 8}.{number & 255}.1"
        addresses.check_next(address, 3, 1, number * 0.01)
        addresses.leave(address)
    assert len(addresses) < 500
    for number in range(1000):
        addresses.check_next("192.0.2.1", 2000, 1000, 1000.0 + number)
    assert len(addresses) == 1


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("unix", None),
        ("", None),
    ],
)
def test_what_an_address_counts_as(address: str, name: str | None) -> None:
    assert counted_as(address) == name


# A session


def test_channels_are_counted_together() -> None:
    check_channels({"a", "b"}, ["c"], 3)
    assert refused(lambda: check_channels({"a", "b"}, ["c", "d"], 3)) == TOO_MANY_CHANNELS
