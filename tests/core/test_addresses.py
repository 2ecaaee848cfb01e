"""The address of a client behind proxies, and the headers that say it."""

import pytest

from hornet.core.addresses import client_address, forwarded, forwarded_for, is_in, parse_networks

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


TEN_NETWORK = parse_networks(["10.0.0.0/8"])


def test_the_hops_of_x_forwarded_for_come_from_the_right() -> None:
    assert list(forwarded_for("1.2.3.4, , 203.0.113.9 ,10.0.0.2")) == ["10.0.0.2", "203.0.113.9", "1.2.3.4"]


@pytest.mark.parametrize(
    ("hop", "address"),
    [
        ("203.0.113.7:50001", "203.0.113.7"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ("203.0.113.7:50001:1", None),
        ("[2001:db8::1", None),
        ("203.0.113.7 80", None),
    ],
)
def test_a_hop_of_x_forwarded_for_may_have_a_port(hop: str, address: str | None) -> None:
    assert client_address("10.0.0.1", forwarded_for(f"1.2.3.4, {hop}"), PROXIES) == (address or "10.0.0.1")


@pytest.mark.parametrize(
    ("header", "hops"),
    [
        ("", []),
        ("for=192.0.2.43", ["192.0.2.43"]),
        ("for=192.0.2.43, for=198.51.100.17", ["198.51.100.17", "192.0.2.43"]),
        ("for=192.0.2.43,,for=198.51.100.17,", ["198.51.100.17", "192.0.2.43"]),
        ("by=203.0.113.43;For=192.0.2.43:47011;proto=http", ["192.0.2.43"]),
        ('for="192.0.2.43:47011"', ["192.0.2.43"]),
        ('For="[2001:db8:cafe::17]:4711"', ["2001:db8:cafe::17"]),
        ('for="[2001:db8:cafe::17]" ; host="a, b;for=1.2.3.4"', ["2001:db8:cafe::17"]),
        ("for=unknown", [""]),
        ("for=_hidden, for=192.0.2.43", ["192.0.2.43", ""]),
        ("proto=https", [""]),
        ('host="for=1.2.3.4"', [""]),
        ('host="x;for=1.2.3.4";for=192.0.2.43', ["192.0.2.43"]),
        ("for=[2001:db8::1]:80", ["2001:db8::1"]),
        ("nonsense", []),
        ("nonsense, for=192.0.2.43", ["192.0.2.43"]),
    ],
)
def test_the_hops_of_forwarded_come_from_the_right(header: str, hops: list[str]) -> None:
    assert list(forwarded(header)) == hops


@pytest.mark.parametrize("claimed", ['for="', 'for="a', 'for=1.2.3.4;by="', "for=1.2.3.4, for=\\", '"', "="])
@pytest.mark.parametrize("written", ["for=203.0.113.9", 'for="203.0.113.9:80";by="[::1]"'])
def test_what_a_client_claims_never_hides_what_the_proxy_wrote(claimed: str, written: str) -> None:
    assert client_address("10.0.0.1", forwarded(f"{claimed}, {written}"), TEN_NETWORK) == "203.0.113.9"


def test_a_clients_claim_left_of_its_own_address_never_counts() -> None:
    header = "for=1.2.3.4, for=203.0.113.9, for=10.0.0.2"
    assert client_address("10.0.0.1", forwarded(header), TEN_NETWORK) == "203.0.113.9"


def test_a_hop_without_an_address_ends_the_walk_at_the_proxy() -> None:
    assert client_address("10.0.0.1", forwarded("for=1.2.3.4, for=unknown"), TEN_NETWORK) == "10.0.0.1"
