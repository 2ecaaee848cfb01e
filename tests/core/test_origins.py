"""Which pages may connect."""

import pytest

from hornet.core.origins import ANY, SAME_HOST, is_allowed, is_same_host, parse_origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://app.example", "app.example"),
        ("https://app.example", "app.example:8187"),
        ("http://app.example:8000", "app.example:8187"),
        ("http://APP.example", "app.EXAMPLE"),
        ("http://app.example.", "app.example"),
        ("http://192.0.2.7:3000", "192.0.2.7:8187"),
        ("http://[2001:db8::1]:3000", "[2001:db8::1]:8187"),
        ("http://localhost:8000", "127.0.0.1:8187"),
        ("http://127.0.0.1:8000", "localhost:8187"),
        ("http://[::1]:8000", "localhost"),
        ("http://shop.localhost", "localhost:8187"),
    ],
)
def test_a_page_of_the_same_host_is_known_whatever_its_port(origin: str, host: str) -> None:
    assert is_same_host(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example", "app.example"),
        ("http://app.example.evil.example", "app.example"),
        ("http://evil.example/app.example", "app.example"),
        ("http://app.example@evil.example", "app.example"),
        ("http://evil.example#app.example", "app.example"),
        ("http://app.example:80:80", "app.example"),
        ("http://localhost.evil.example", "localhost"),
        ("http://evil.example", "localhost"),
        ("http://localhost", "app.example"),
        ("null", "app.example"),
        ("null", "null"),
        ("", "app.example"),
        ("app.example", "app.example"),
        ("http://", ""),
        ("http://app.example, http://evil.example", "app.example"),
        ("file://", "app.example"),
    ],
)
def test_a_page_of_another_host_is_not_let_in_by_a_trick(origin: str, host: str) -> None:
    assert not is_same_host(origin, host)


def test_a_client_that_is_no_page_of_another_host_passes() -> None:
    assert is_allowed(None, "app.example", ["https://other.example"])


def test_a_list_means_what_it_names_and_nothing_else() -> None:
    allowed = ["https://www.example.com", "null"]
    assert is_allowed("https://www.example.com", "push.example.com", allowed)
    assert is_allowed("null", "push.example.com", allowed)
    assert not is_allowed("http://www.example.com", "push.example.com", allowed)
    assert not is_allowed("https://push.example.com", "push.example.com", allowed)
    assert is_allowed("https://push.example.com", "push.example.com", [*allowed, SAME_HOST])


def test_all_can_be_let_in() -> None:
    assert is_allowed("null", None, [ANY])
    assert not is_allowed("http://app.example", None, [SAME_HOST])


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://host.example:443", "https://host.example"),
        ("http://host.example:80", "http://host.example"),
        ("http://host.example:443", "http://host.example:443"),
        ("https://host.example:08443/", "https://host.example:8443"),
        ("HTTPS://Host.Example/", "https://host.example"),
        ("https://müller.example", "https://xn--mller-kva.example"),
        ("https://MÜLLER.example:443", "https://xn--mller-kva.example"),
        ("http://[2001:DB8::1]:80", "http://[2001:db8::1]"),
        ("file://", "file://"),
        ("file:///", "file://"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("ionic://localhost", "ionic://localhost"),
        ("tauri://localhost", "tauri://localhost"),
        ("app://.", "app://."),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"),
        ("null", "null"),
        ("*", "*"),
        ("same-host", "same-host"),
    ],
)
def test_an_origin_is_read_as_people_write_it(written: str, sent: str) -> None:
    assert parse_origin(written) == sent
    assert parse_origin(sent) == sent


@pytest.mark.parametrize(
    "written",
    [
        "", "host.example", "https://", "https:///", "https://host.example/page", "https://host.example?a",
        "https://user@host.example", "https://host.example:port", "https://*.example", "wss://host.example",
        "https://host.example, https://other.example", "https://" + "ü" * 64 + ".example", "://a", "file://\n",
    ],
)  # fmt: skip
def test_what_is_no_origin_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"it |origin|host|label"):
        parse_origin(written)


@pytest.mark.parametrize("origin", ["file://", "capacitor://localhost", "https://host.example:443", "null"])
def test_an_origin_is_let_in_by_its_name(origin: str) -> None:
    """An ESP32 and a Cordova app send ``file://``; some libraries name the default port."""
    allowed = [parse_origin(origin)]
    assert is_allowed(origin, "push.example", allowed)
    assert not is_allowed(origin, "push.example", [SAME_HOST])
