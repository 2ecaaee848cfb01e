"""The configuration: where values come from, and which are refused."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from hornet.broker.settings import RedisSettings
from hornet.config import Config, LogSettings, load_config, options, take_reloadable
from hornet.core.errors import SetupError
from hornet.core.options import Option
from hornet.engine.settings import EngineSettings
from hornet.flows.settings import SessionSettings
from hornet.web.settings import ServerSettings

SECRET = "pass-word"

PARTNERS = {
    "tls_cert": {"tls_key": "text"},
    "tls_key": {"tls_cert": "text"},
    "user_header": {"trusted_proxies": "10.0.0.1"},
    "attribute_headers": {"trusted_proxies": "10.0.0.1"},
}
"""Options that are refused without another one."""


def write(folder: Path, text: str, name: str = "hornet.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refusal(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> str:
    """The one sentence with which a configuration is refused."""
    with pytest.raises(SetupError) as raised:
        load_config(flags or {}, environment or {}, file)
    said = str(raised.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def get(config: Config, one: Option) -> Any:
    return getattr(getattr(config, one.section), one.field)


def sample(one: Option) -> Any:
    """A valid value that is not the default."""
    if one.kind is bool:
        return not one.default
    if one.kind in (int, float):
        return one.kind(100_017 if one.unit in ("bytes", "bytes/s") else 17)
    if one.name in ("redis", "transports"):
        return {"redis": "redis://10.0.0.1:6379/1", "transports": ("websocket",)}[one.name]
    return {
        "networks": ("10.0.0.0/8", "::1"),
        "origins": ("https://a.example", "http://b.example:8080"),
        "path": "/other/",
        "level": "debug",
        "X-Forwarded-For or Forwarded": "Forwarded",
        "URI": "https://a.example/api",
        "format": "json",
        "header lines": ("X-Api-Token: abc", "X-Stage: test"),
        "mode": "closed",
        "secret": "a secret of 24 characters",
        "secrets": ("a secret of 24 characters", "and another one after it"),
        "rules": ("chat:*=1000:3600", "news=0"),
        "hosts": ("push.example.com", "hornet"),
        "keys": ("shop:publish:0123456789abcdef", "admin:manage+read:0123456789abcdeF"),
    }.get(one.unit, ("a", "b") if one.is_list else "text")


def test_without_sources_all_is_default() -> None:
    assert load_config({}, {}) == Config()


def test_the_later_source_wins(tmp_path: Path) -> None:
    file = write(tmp_path, "port = 1\nauth_timeout = 1\nping_interval = 1")
    environment = {"HORNET_AUTH_TIMEOUT": "2", "HORNET_PING_INTERVAL": "2"}
    config = load_config({"ping_interval": "3"}, environment, file)
    assert config.server.port == 1
    assert config.sessions.auth_timeout_s == 2
    assert config.engine.ping_interval_s == 3
    assert config.engine.ping_timeout_s == EngineSettings().ping_timeout_s


@pytest.mark.parametrize("one", list(options()), ids=lambda one: one.name)
def test_every_option_can_be_set_in_each_source(one: Option, tmp_path: Path) -> None:
    value = sample(one)
    listed = list(value) if one.is_list else value
    text = ",".join(value) if one.is_list else str(value)
    pairs: dict[str, dict[str, Any]] = {name: {} for name in ("flags", "environment")}
    partners = PARTNERS.get(one.name, {})
    for name, given in {one.name: text, **partners}.items():
        pairs["flags"][name] = given
        pairs["environment"]["HORNET_" + name.upper()] = given
    content = {one.name: listed, **partners}
    toml = write(tmp_path, "\n".join(f"{name} = {json.dumps(given)}" for name, given in content.items()))
    for config in (
        load_config(pairs["flags"], {}),
        load_config({}, pairs["environment"]),
        load_config({}, {}, toml),
        load_config({}, {}, write(tmp_path, json.dumps(content), "hornet.json")),
    ):
        assert get(config, one) == value
        assert type(get(config, one)) is type(one.default)


def test_no_two_options_share_a_name() -> None:
    names = [one.name for one in options()]
    assert len(names) == len(set(names))
    assert all(one.doc.endswith(".") for one in options())


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    one, two = write(tmp_path, "port = 1"), write(tmp_path, "port = 2", "two.toml")
    assert load_config({}, {"HORNET_CONFIG": str(one)}).server.port == 1
    assert load_config({}, {"HORNET_CONFIG": str(one)}, two).server.port == 2
    assert load_config({}, {"HORNET_CONFIG": ""}).server.port == Config().server.port
    assert "/no/such" in refusal(environment={"HORNET_CONFIG": "/no/such"})


def test_a_file_may_begin_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "hornet.toml"
    path.write_bytes(b"\xef\xbb\xbfport = 1")
    assert load_config({}, {}, path).server.port == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hornet.toml", b"port 1"),
        ("hornet.toml", b"port = 1\nport = 2"),
        ("hornet.json", b"{"),
        ("hornet.json", b"[]"),
        ("hornet.json", b"[" * 100_000),
        ("hornet.toml", b"\xff\xfe"),
        ("hornet.yaml", b"port: 1"),
    ],
)
def test_a_malformed_file_is_one_sentence_that_names_it(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert str(path) in refusal(file=path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(file=tmp_path)


def test_unknown_names_are_named_with_their_source_and_the_likely_one(tmp_path: Path) -> None:
    file = write(tmp_path, "prot = 1")
    said = refusal(file=file)
    assert "'prot'" in said
    assert str(file) in said
    assert "did you mean 'port'" in said
    assert "did you mean HORNET_PORT" in refusal(environment={"HORNET_PROT": "1"})
    assert "did you mean" not in refusal(environment={"HORNET_XYZZY": "1"})
    said = refusal(file=write(tmp_path, "[server]\nport = 1"))
    assert "a table [server]" in said
    assert "options stand at the top level" in said
    assert "'auth_timeout_s'" in refusal({"auth_timeout_s": "1"})


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("port", "many", "a whole number"),
        ("port", 80.5, "a whole number"),
        ("port", 80.0, "a whole number"),
        ("port", True, "a whole number"),
        ("port", None, "a whole number"),
        ("port", [80], "a whole number"),
        ("auth_timeout", "soon", "a number"),
        ("auth_timeout", {}, "a number"),
        ("demo", "perhaps", "true or false"),
        ("demo", 1, "true or false"),
        ("host", 127, "text"),
        ("allowed_origins", 1, "a list of text"),
        ("allowed_origins", ["https://a", 1], "a list of text"),
        ("redis", 6379, "text"),
        ("max_payload", "1e6", "a whole number"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_what_it_should_be(
    name: str, value: Any, wanted: str
) -> None:
    said = refusal({name: value})
    assert repr(name) in said
    assert f"is not {wanted}" in said
    assert ("***" in said) == (name == "redis")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", "-1", "port"),
        ("port", "65536", "port"),
        ("embedded_port", "0", "embedded_port is 0"),
        ("embedded_port", "65536", "at most 65535"),
        ("ping_interval", "0", "more than 0"),
        ("auth_timeout", "-1", "0 or more"),
        ("auth_timeout", "nan", "0 or more"),
        ("auth_timeout", "inf", "0 or more"),
        ("drain_window", "-0.1", "0 or more"),
        ("ping_interval", "0", "ping_interval"),
        ("ping_timeout", "0", "ping_timeout"),
        ("max_payload", "0", "max_payload"),
        ("max_payload", "999", "must be 1000 bytes or more"),
        ("send_buffer", "1", "must be 16384 bytes or more"),
        ("max_message", "4", "must be 100 bytes or more"),
        ("max_byte_rate", "1", "must be 1000 bytes/s or more"),
        ("max_unauthenticated_payload", "64", "must be 1000 bytes or more"),
        ("max_unauthenticated_byte_rate", "64", "must be 1000"),
        ("max_unauthenticated_held", "8", "must be 1000 bytes or more"),
        ("api_max_body", "1", "must be 100 bytes or more"),
        ("transports", "websockets", "transports has 'websockets', but takes polling and websocket"),
        ("transports", "", "transports is empty"),
        ("redis", "http://localhost", "redis://"),
        (
            "channel_secrets",
            "a secret of 24 characters,short",
            "a secret of 5 characters",
        ),
        ("pushy_secret", "short", "pushy_secret has a secret of 5 characters"),
        ("public_channels", "hornet,*", "'hornet', which is reserved"),
        ("public_channels", "*a" * 9, "8 '*'"),
        ("redis_timeout", "0", "redis_timeout"),
        ("redis_heartbeat", "-3", "redis_heartbeat"),
        ("trusted_proxies", "10.0.0.0/8,elsewhere", "'elsewhere'"),
        ("trusted_proxies", "10.0.0.0/99", "trusted_proxies"),
        ("allowed_origins", "example.org", "'example.org'"),
        ("allowed_origins", "https://example.org/page", "'https://example.org/page'"),
        ("allowed_origins", "https://*.example.org", "letters, digits"),
        ("allowed_origins", "wss://example.org", "http or https"),
        ("allowed_origins", "", "allowed_origins is empty"),
        ("path", "socket.io", "path"),
        ("path", "/", "path"),
        ("path", "", "path"),
        ("path", "/{a}/", "path"),
        ("path", "/a b/", "path"),
        ("path", "//", "path"),
        ("log_level", "loud", "log_level"),
        ("log_format", "xml", "log_format"),
        ("max_sessions_per_address", "0", "max_sessions_per_address"),
        ("max_event_rate", "nan", "max_event_rate"),
        ("tls_cert", "cert.pem", "tls_key"),
    ],
)
def test_a_value_that_can_not_be_meant_is_named(name: str, value: str, said: str) -> None:
    assert said in refusal({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"),
        ("drain_window", "0"),
        ("ping_interval", "0.05"),
        ("allowed_origins", "*"),
        ("allowed_origins", "same-host,https://www.example.com"),
        ("trusted_proxies", "unix,10.0.0.1"),
        ("allowed_origins", "https://Example.org:443/,file://,app://.,tauri://localhost"),
        ("allowed_origins", "null,capacitor://localhost,http://[::1]:3000,https://xn--e1afmkfd.example"),
        ("trusted_proxies", "10.0.0.1, ::1/128,"),
        ("trusted_proxies", ""),
        ("path", "/socket.io"),
        ("path", "/a/b-c_d~1/"),
        ("log_level", "WARNING"),
    ],
)
def test_a_value_at_the_edge_is_taken(name: str, value: str) -> None:
    load_config({name: value}, {})


@pytest.mark.parametrize(
    "section",
    [
        EngineSettings(ping_interval_s=0),
        EngineSettings(trusted_proxies=("elsewhere",)),
        SessionSettings(auth_timeout_s=-1),
        RedisSettings(embedded_port=70_000),
    ],
    ids=repr,
)
def test_limits_hold_for_a_configuration_made_in_code(section: Any) -> None:
    name = next(part for part, kind in get_type_hints(Config).items() if kind is type(section))
    with pytest.raises(ValueError, match=r"ping_interval|trusted_proxies|auth_timeout|embedded_port"):
        Config(**{name: section})


def test_a_secret_is_shown_nowhere() -> None:
    config = Config(redis=RedisSettings(redis=f"redis://:{SECRET}@host"))
    for shown in (repr(config), str(config), f"{config.redis}"):
        assert SECRET not in shown
        assert "redis='***'" in shown or "redis=***" in shown
    assert "embedded_port=6379" in repr(config)


def test_every_secret_option_is_shown_as_stars() -> None:
    for one in options():
        if one.secret:
            section = get_type_hints(Config)[one.section]
            value = (f"shop:publish:{SECRET * 2}",) if one.is_list else SECRET
            if one.name == "redis":
                value = f"redis://:{SECRET}@127.0.0.1"
            assert SECRET not in repr(dataclasses.replace(section(), **{one.field: value}))


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"user_header": "X-User"}, "trusted_proxies"),
        ({"attribute_headers": "X-Device"}, "trusted_proxies"),
        ({"user_header": "X User", "trusted_proxies": "10.0.0.1"}, "'X User'"),
        ({"attribute_headers": "a,b:c", "trusted_proxies": "10.0.0.1"}, "'b:c'"),
        ({"forwarded_header": "X-Real-IP"}, "forwarded_header"),
        ({"backend_uri": "www.example.com"}, "backend_uri"),
        ({"backend_uri": "ftp://www.example.com"}, "backend_uri"),
        ({"backend_uri": "https://www.example.com/?a=b"}, "backend_uri"),
        ({"backend_uri": "https://name:word@www.example.com"}, "login"),
        ({"backend_path": "users"}, "backend_path"),
        ({"max_attempts": "-1"}, "max_attempts"),
        ({"client_events": "hornet:mine"}, "hornet:mine"),
    ],
)
def test_what_could_never_prove_anything_is_refused(flags: dict[str, str], named: str) -> None:
    assert named in refusal(flags)


def test_a_reload_takes_what_may_change_and_names_what_needs_a_restart() -> None:
    wanted = Config(
        server=ServerSettings(port=1),
        engine=EngineSettings(allowed_origins=("*",), ping_interval_s=1),
        log=LogSettings(log_level="debug"),
    )
    config, changed, need_restart = take_reloadable(Config(), wanted)
    assert config == Config(engine=EngineSettings(allowed_origins=("*",)), log=LogSettings(log_level="debug"))
    assert sorted(changed) == ["allowed_origins", "log_level"]
    assert sorted(need_restart) == ["ping_interval", "port"]
