"""Redis URLs: the allowed forms, and their text without the password."""

import pytest

from hornet.broker.url import parse_url
from hornet.core.errors import SetupError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://", "redis://"),
        ("redis://:secret@host", "redis://:***@host"),
        ("redis://app:secret@host:1/2", "redis://app:***@host:1/2"),
        ("redis://secret@host", "redis://***@host"),
        ("redis://:se@secret@host", "redis://:***@host"),
        ("redis://host/0?password=secret&username=app", "redis://host/0?password=***&username=app"),
        ("redis://host?password=a%26secret", "redis://host?password=***"),
        ("rediss://app:secret@host/?ssl_ca_certs=/ca.pem", "rediss://app:***@host/?ssl_ca_certs=/ca.pem"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("unix://app:secret@/run/redis.sock?db=1", "unix://app:***@/run/redis.sock?db=1"),
        ("redis+sentinel://:secret@a:1,b:2/0/main", "redis+sentinel://:***@a:1,b:2/0/main"),
        ("redis+cluster://app:secret@a:1,b:2", "redis+cluster://app:***@a:1,b:2"),
        ("redis+cluster://[::1]:7000,[::2]", "redis+cluster://[::1]:7000,[::2]"),
    ],
)
def test_a_url_is_shown_without_its_password(text: str, shown: str) -> None:
    url = parse_url(text)
    assert str(url) == shown
    assert repr(url) == f"RedisUrl({shown!r})"
    assert url.text == text


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("redis://", [("127.0.0.1", 6379)]),
        ("redis+cluster://a,b:7001", [("a", 6379), ("b", 7001)]),
        ("redis+cluster://[::1]:7000,[::2]", [("::1", 7000), ("::2", 6379)]),
        ("redis+sentinel://u:p@a,b:2/0/x", [("a", 26379), ("b", 2)]),
    ],
)
def test_a_url_may_list_hosts(text: str, hosts: list[tuple[str, int]]) -> None:
    assert parse_url(text).hosts == hosts


@pytest.mark.parametrize(
    ("text", "database", "service"),
    [
        ("redis+sentinel://a", 0, "mymaster"),
        ("redis+sentinel://a/", 0, "mymaster"),
        ("redis+sentinel://a/3", 3, "mymaster"),
        ("redis+sentinel://a/3/my%20service", 3, "my service"),
    ],
)
def test_a_sentinel_url_names_database_and_service(text: str, database: int, service: str) -> None:
    url = parse_url(text)
    assert (url.database, url.service) == (database, service)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "starts with redis://"),
        ("secret", "starts with redis://"),
        ("127.0.0.1:6379", "starts with redis://"),
        ("http://secret@host", "starts with redis://"),
        ("redis+tls://host", "redis+sentinel://"),
        ("redis://host:port", "port"),
        ("redis://host:0", "port"),
        ("redis://host:65536", "port"),
        ("redis://host:-1", "port"),
        ("redis://[::1", "port"),
        ("redis://:sec/ret@host", "%2F"),
        ("redis://:sec?ret@host", "%3F"),
        ("redis://:sec#ret@host", "%23"),
        ("redis://host/0#sec", "'#'"),
        ("redis://a:1,b:2", "names one host"),
        ("redis://host/zero", "DATABASE"),
        ("redis://host/-1", "DATABASE"),
        ("redis://host/²", "DATABASE"),
        ("redis://host/0/more", "nothing follows"),
        ("redis+cluster://host/1", "no database but 0"),
        ("redis+sentinel://:p%2Fw@host", "password"),
        ("redis+sentinel://host?db=1", "'db'"),
        ("redis://host?db=one", "db"),
        ("redis://host?protocol=3", "'protocol'"),
        ("redis://host?socket_timeout=1", "'socket_timeout'"),
        ("redis://host?ssl_ca_certs=x", "'ssl_ca_certs'"),
        ("unix://", "socket"),
        ("unix:///", "socket"),
    ],
)
def test_a_malformed_url_is_one_sentence_that_quotes_no_password(text: str, named: str) -> None:
    with pytest.raises(SetupError) as raised:
        parse_url(text)
    said = str(raised.value)
    assert named in said
    assert said.endswith(".")
    assert "\n" not in said
    assert "sec" not in said.replace("section", "")


@pytest.mark.parametrize(
    ("text", "hosts", "service", "options"),
    [
        ("redis+sentinel://a", [("a", 26379)], "mymaster", {"db": 0}),
        (
            "redis+sentinel://app:p%40ss%3Aword%25@a:1,b/2/main",
            [("a", 1), ("b", 26379)],
            "main",
            {"db": 2, "username": "app", "password": "p@ss:word%"},
        ),
        ("redis+sentinel://:pw@[::1]:1/0/x", [("::1", 1)], "x", {"db": 0, "password": "pw"}),
    ],
)
def test_a_sentinel_url_names_hosts_service_database_and_login(
    text: str, hosts: list[tuple[str, int]], service: str, options: dict[str, object]
) -> None:
    url = parse_url(text)
    assert (url.hosts, url.service, {"db": url.database, **url.login}) == (hosts, service, options)
