"""Headers and settings about who is who, from whoever makes them up."""

import ipaddress
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hornet.broker.url import parse_url
from hornet.config import load_config, options
from hornet.core.addresses import client_address, parse_networks
from hornet.core.errors import SetupError
from hornet.core.limits import counted_as
from hornet.core.origins import is_allowed, is_same_host

HOSTS = st.text("abc.:[]/@#?%0123456789-", max_size=20) | st.text(max_size=10)
PEERS = st.ip_addresses().map(str)
TRUSTED = parse_networks(["10.0.0.0/8", "::1", "unix"])


def refusal_of(parse: Callable[..., object], *args: object) -> str | None:
    """What a person is told who wrote ``args``; None when they are taken."""
    try:
        parse(*args)
    except SetupError as refusal:
        return str(refusal)
    return None


def is_sentence(said: str | None) -> bool:
    return said is None or said.endswith(".")


@given(PEERS | st.just("unix"), st.text("0123456789abcdef.:, unix", max_size=60) | st.text(max_size=20))
def test_an_address_is_the_peers_unless_a_proxy_is_trusted(peer: str, forwarded: str) -> None:
    found = client_address(peer, {"X-Forwarded-For": forwarded}, TRUSTED)
    trusted = peer == "unix" or any(
        ipaddress.ip_address(peer) in network
        for network in TRUSTED
        if network != "unix" and network.version == ipaddress.ip_address(peer).version
    )
    if not trusted and getattr(ipaddress.ip_address(peer), "ipv4_mapped", None) is None:
        assert found == peer
    if found != peer:
        ipaddress.ip_address(found)
    counted_as(found)


@given(st.lists(st.text(max_size=20), max_size=3))
def test_networks_are_parsed_or_refused(values: list[str]) -> None:
    try:
        assert len(parse_networks(values)) == len(values)
    except ValueError:
        return


@given(HOSTS, HOSTS)
def test_an_origin_of_another_host_is_never_the_same(origin: str, host: str) -> None:
    for scheme in ("http://", "https://", ""):
        is_same_host(scheme + origin, host)
    assert not is_allowed("https://evil.example", host.replace("evil.example", ""), ["same-host"])


@given(
    st.sampled_from(["redis", "rediss", "unix", "redis+sentinel", "redis+cluster", "http"]),
    st.text(max_size=40),
)
def test_a_redis_url_is_parsed_or_refused_in_one_sentence(scheme: str, rest: str) -> None:
    for text in (f"{scheme}://{rest}", rest):
        assert is_sentence(refusal_of(parse_url, text))


@given(st.dictionaries(st.sampled_from([one.name for one in options()]), st.text(max_size=20), max_size=4))
def test_a_configuration_is_valid_or_refused_in_one_sentence(flags: dict[str, str]) -> None:
    assert is_sentence(refusal_of(load_config, flags, {}))
