"""Whose address counts, with and without trusted proxies."""

import pytest

from hornet.core.addresses import client_address, is_in, parse_networks
from hornet.core.forwarded import forwarded_for

PROXIES = parse_networks(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("198.51.100.7", "", "198.51.100.7"),
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("", "203.0.113.9", ""),
    ],
)
def test_client_address(peer: str, forwarded: str, address: str) -> None:
    assert client_address(peer, forwarded_for(forwarded), PROXIES) == address


@pytest.mark.parametrize(
    ("address", "is_there"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("::1", True), ("11.0.0.1", False), ("unix", False)],
)
def test_an_address_is_in_a_network_or_not(address: str, is_there: bool) -> None:
    assert is_in(address, PROXIES) is is_there


def test_a_malformed_network_is_named() -> None:
    with pytest.raises(ValueError, match="10\\.0\\.0\\.0/99"):
        parse_networks(["10.0.0.0/99"])
