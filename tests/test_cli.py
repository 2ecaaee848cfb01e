"""The two commands as a person meets them: help, mistakes, signals, pipes."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis

from hornet.cli import main, serve
from hornet.cli.server import server_parser
from hornet.config import options
from hornet.connector import Connector
from hornet.core.history import split_stamp
from tests.broker.servers import RedisServer, silent_server
from tests.conftest import Valkey
from tests.e2e.server import ServerProcess, free_port, server_environment
from tests.e2e.waiting import DEADLINE_S

HORNET = (sys.executable, "-c", "import sys; from hornet.cli import main; sys.exit(main())")
SERVER = (sys.executable, "-m", "hornet")

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hornet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Runs ``hornet`` here; returns its exit code and what it printed on both streams."""
    monkeypatch.delenv("HORNET_REDIS", raising=False)

    def say(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return say


@pytest.fixture
def client(valkey: Valkey) -> Iterator[Redis]:
    with Redis.from_url(valkey.url, decode_responses=True) as client:
        yield client


def is_one_sentence(err: str, program: str = "hornet") -> bool:
    lines = err.splitlines()
    return len(lines) == 1 and lines[0].startswith(f"{program}: ") and "Traceback" not in err


# hornet


@pytest.mark.parametrize(
    "words", [("--help",), ("token", "--help"), ("publish", "--help"), ("history", "--help")]
)
def test_help_is_printed_and_is_no_failure(hornet: Say, words: tuple[str, ...]) -> None:
    code, out, err = hornet(*words)
    assert (code, err) == (0, "")
    assert out.startswith("usage: hornet")
    if words[0] != "--help":
        assert "--redis URL" in out
        assert "default: HORNET_REDIS" in out


def test_help_of_the_command_names_what_it_can_do(hornet: Say) -> None:
    _, out, _ = hornet("--help")
    assert all(word in out for word in ("token", "publish", "hornet-server"))


def test_token_makes_a_token_and_prints_nothing_else(
    hornet: Say, valkey: Valkey, client: Redis, prefix: str
) -> None:
    code, out, err = hornet("token", "--redis", valkey.url, prefix, f"{prefix}:ž", "--ttl", "30")
    assert (code, err) == (0, "")
    key = f"hornet:token:{out.removesuffix(chr(10))}"
    assert client.smembers(key) == {prefix, f"{prefix}:ž"}
    assert 28 <= int(str(client.ttl(key))) <= 30


def test_publish_publishes_and_prints_how_many_heard(
    hornet: Say, valkey: Valkey, client: Redis, prefix: str
) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(f"hornet:channel:{prefix}")
        heard.get_message(timeout=DEADLINE_S)
        code, out, err = hornet(
            "publish", prefix, "news", '{"text": "ž"}', "--only", "a", "--only", "b", "--except", "c",
            "--redis", valkey.url,
        )  # fmt: skip
        assert (code, out, err) == (0, "1\n", "")
        message = heard.get_message(timeout=DEADLINE_S)
        _, published = split_stamp(message["data"].encode())
        assert json.loads(published) == {
            "text": "ž",
            "only": ["a", "b"],
            "except": ["c"],
            "type": "news",
        }
    assert hornet("publish", prefix, "news", "--redis", valkey.url) == (
        0,
        "0\n",
        f"hornet: no node has a client in channel {prefix!r}.\n",
    )


def test_history_prints_what_was_published_and_where(hornet: Say, valkey: Valkey, prefix: str) -> None:
    def history(*words: str) -> tuple[int, str, str]:
        return hornet("history", prefix, "--redis", valkey.url, *words)

    with Connector(valkey.url) as backend:
        for number in range(3):
            backend.publish(prefix, "news", {"text": f"ž{number}"})
        page = backend.history(prefix)
    positions = [entry["position"] for entry in page["messages"]]
    code, out, err = history()
    assert (code, err) == (0, "")
    assert [line.split(" ", 1)[0] for line in out.splitlines()] == positions
    assert [json.loads(line.split(" ", 1)[1])["text"] for line in out.splitlines()] == ["ž0", "ž1", "ž2"]
    code, text, err = history("--json")
    assert (code, err) == (0, "")
    assert json.loads(text)["messages"] == page["messages"]
    assert history("--since", positions[0], "--before", positions[2]) == (0, out.splitlines(True)[1], "")
    newest = "hornet: there are more messages than --limit.\n"
    assert history("--newest-first", "--limit", "1") == (0, out.splitlines(True)[2], newest)
    assert history("--since", positions[2]) == (0, "", "")
    code, text, err = history("--since", "other-1")
    assert (code, text, err) == (0, out, "hornet: messages after --since are no longer kept.\n")


def test_token_carries_user_info_and_channels_to_publish_on(
    hornet: Say, valkey: Valkey, client: Redis, prefix: str
) -> None:
    words = ("--user", "42", "--info", '{"name": "Ana"}', "--publish", "chat-*", "--publish", "b")
    code, out, err = hornet("token", "--redis", valkey.url, *words)
    assert (code, err) == (0, "")
    grant = client.get(f"{{hornet:token:{out.strip()}}}:grant")
    assert json.loads(str(grant)) == {"user": "42", "info": {"name": "Ana"}, "publish": ["chat-*", "b"]}


def test_commands_take_the_redis_of_the_servers_file_and_of_the_environment_before_it(
    hornet: Say, valkey: Valkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "hornet.toml"
    file.write_text(f'redis = "{valkey.url}"\nport = 1')
    assert hornet("publish", "c", "news", "--config", str(file))[:2] == (0, "0\n")
    monkeypatch.setenv("HORNET_CONFIG", str(file))
    assert hornet("publish", "c", "news")[:2] == (0, "0\n")
    monkeypatch.setenv("HORNET_REDIS", f"redis://127.0.0.1:{free_port()}")
    assert hornet("publish", "c", "news")[0] == 1
    assert hornet("publish", "c", "news", "--redis", valkey.url)[0] == 0


def test_commands_go_over_http_with_a_key(
    hornet: Say, valkey: Valkey, client: Redis, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "a-secret-of-32-characters-or-more"
    server = ServerProcess("--port", "0", "--redis", valkey.url, "--api-keys", f"shop:publish+manage:{key}")
    try:
        monkeypatch.setenv("HORNET_URL", server.url)
        monkeypatch.setenv("HORNET_KEY", key)
        code, out, err = hornet("token", prefix, "--user", "42")
        assert (code, err) == (0, "")
        assert client.smembers(f"hornet:token:{out.strip()}") == {prefix}
        assert hornet("publish", prefix, "news")[:2] == (0, "0\n")
        code, out, err = hornet("publish", prefix, "news", "--key", key[::-1])
        assert (code, out) == (1, "")
        assert is_one_sentence(err)
        assert hornet("publish", prefix, "news", "--url", f"{server.url}/api")[:2] == (0, "0\n")
        monkeypatch.setenv("HORNET_URL", f"http://127.0.0.1:{free_port()}")
        code, out, err = hornet("token", prefix)
        assert (code, out) == (1, "")
        assert is_one_sentence(err)
        assert hornet("token", prefix, "--redis", valkey.url)[0] == 0
    finally:
        server.sweep()


def test_redis_may_be_named_in_the_environment(
    hornet: Say, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HORNET_REDIS", valkey.url)
    assert hornet("publish", "c", "news")[0] == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((), "no COMMAND given, and the server itself is hornet-server"),
        (("fly",), "fly"),
        (("token",), "CHANNEL"),
        (("token", "a", "--ttl", "soon"), "soon"),
        (("token", "a", "--info", "{"), "--info is not JSON"),
        (("token", "a", "--tll", "5"), "did you mean --ttl"),
        (("token", "a", "--ttl", "0"), "second"),
        (("token", "hornet"), "reserved"),
        (("token", ""), "channel name"),
        (("publish", "a"), "TYPE"),
        (("publish", "a", "t", "{"), "not JSON"),
        (("publish", "a", "t", "[]"), "not an object"),
        (("publish", "a", "t", '{"x": NaN}'), "not JSON"),
        (("publish", "a", "t", '{"x": 1e999}'), "JSON"),
        (("history", "hornet"), "no channel that has a history"),
        (("history", "a", "--limit", "0"), "from 1 to"),
        (("history", "a", "--since", "yesterday"), "a position is a text"),
        (("token", "a", "--redis", "http://host"), "redis://"),
        (("token", "a", "--redis", "redis://:secret@host:port"), "port"),
        (("token", "a", "--url", "localhost:8187"), "--url and HORNET_URL begin with http://"),
        (("token", "a", "--url", "redis://:secret@host"), "--redis takes a URL of Redis"),
    ],
)
def test_a_mistake_is_one_sentence(hornet: Say, words: tuple[str, ...], named: str) -> None:
    code, out, err = hornet(*words)
    assert (code, out) == (2, "")
    assert named in err
    assert is_one_sentence(err.replace("hornet token:", "hornet:").replace("hornet publish:", "hornet:"))
    assert "secret" not in err


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "redis+cluster"])
def test_a_redis_that_is_not_there_is_one_sentence(hornet: Say, scheme: str) -> None:
    url = f"{scheme}://:secret@127.0.0.1:{free_port()}"
    for words in (("token", "a"), ("publish", "a", "news")):
        code, out, err = hornet(*words, "--redis", url)
        assert (code, out) == (1, "")
        assert is_one_sentence(err)
        assert "secret" not in err


def test_a_redis_that_refuses_the_login_is_one_sentence(hornet: Say) -> None:
    server = RedisServer("--requirepass", "another")
    try:
        for login in ("", ":secret@"):
            code, _, err = hornet("token", "a", "--redis", f"redis://{login}127.0.0.1:{server.port}")
            assert code == 1
            assert is_one_sentence(err)
            assert "secret" not in err
    finally:
        server.remove()


def test_ctrl_c_ends_a_command_without_a_word() -> None:
    with silent_server() as silent:
        process = subprocess.Popen(
            [*HORNET, "token", "a", "--redis", f"redis://127.0.0.1:{silent.getsockname()[1]}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=server_environment(),
            # A gate that runs in a shell's background is started with Ctrl-C ignored, and would pass that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):  # Python loses one amid a callback
                process.wait(2)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=DEADLINE_S) == (b"", b"")
            assert process.returncode == 130


@pytest.mark.parametrize(
    "words",
    [
        (*HORNET, "--help"),
        (*HORNET, "config-doc"),
        (*HORNET, "publish", "a", "news"),
        (*SERVER, "--help"),
    ],
)
def test_a_reader_that_went_away_is_no_traceback(words: tuple[str, ...], valkey: Valkey) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        words,
        stdout=write,
        stderr=subprocess.PIPE,
        env={**server_environment(), "HORNET_REDIS": valkey.url, "PYTHONUNBUFFERED": ""},
        timeout=DEADLINE_S,
        check=False,
    )
    os.close(write)
    assert done.stderr.replace(b"hornet: no node has a client in channel 'a'.\n", b"") == b""


def test_the_command_does_not_load_the_server() -> None:
    heavy = ("aiohttp", "socketio", "hornet.app")
    code = f"import sys, hornet.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# hornet-server: what it is told


def test_help_names_every_option_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")  # no word is cut in two
    text = re.sub(r"\s+", " ", server_parser().format_help())
    for one in options():
        start = text.index("show this help")
        at = start + re.search(rf" {one.flag}[ ,]", text[start:]).start()  # type: ignore[union-attr]  # or it fails
        entry = text[at : text.index("(default: ", at) + 60]
        if one.kind is bool:
            shown = "on" if one.default else "off"
        elif one.is_list:
            shown = ",".join(one.default) or "none"
        else:
            shown = f"{one.default:g}" if one.kind is float else str(one.default) or "none"
        assert re.search(rf"\(default: {re.escape(shown)}( s| bytes)?\)", entry), one.name


@pytest.fixture
def _log_as_before() -> Iterator[None]:
    """``serve`` sets up the log of the process, which here is the tests'."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.usefixtures("_log_as_before")
@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--ping-interval", "0"), "ping_interval"),
        (("--auth-timeout", "-1"), "auth_timeout"),
        (("--trusted-proxies", "elsewhere"), "elsewhere"),
        (("--allowed-origins", "example.org"), "example.org"),
        (("--path", "no slash"), "no slash"),
        (("--por", "80"), "did you mean --port"),
        (("--no-dmo",), "did you mean --no-demo"),
        (("--redis", "redis://:secret@host:port"), "port"),
    ],
)
def test_a_malformed_option_is_one_sentence(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], named: str
) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"  # were the mistake overlooked, no server would start
    assert serve(("--port", "0", "--redis", nowhere, *words)) == 2
    err = capsys.readouterr().err
    assert is_one_sentence(err, "hornet-server")
    assert named in err
    assert "secret" not in err


# hornet check-config, hornet config-doc


def test_check_config_says_what_is_changed_and_starts_nothing(hornet: Say, tmp_path: Path) -> None:
    file = tmp_path / "hornet.toml"
    file.write_text(
        'port = 1\nallowed_origins = ["https://a.example", "null"]\nredis = "redis://:secret@nowhere"'
    )
    code, out, err = hornet("check-config", "--config", str(file), "--no-demo")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"port = 1  (the file {file})",
        "demo = false  (the command line)",
        f"redis = redis://:***@nowhere  (the file {file})",
        f"allowed_origins = https://a.example,null  (the file {file})",
    ]
    assert hornet("check-config")[1] == "All options have their default.\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--port", "99999"), "port"),
        (("--redis", "redis:/nowhere"), "redis"),
        (("--transports", "websockets"), "polling and websocket"),
        (("--send-buffer", "1"), "send_buffer"),
        (("--commands", "fly"), "No command 'fly' is installed"),
        (("--authenticators", "fly"), "No authenticator 'fly' is installed"),
        (("--channel-secrets", "short"), "5 characters"),
        (("--public-channels", "hornet,*"), "reserved"),
        (("--tls-cert", "/no/cert.pem", "--tls-key", "/no/key.pem"), "/no/cert.pem"),
        (("--allowed-origins", "example.org"), "example.org"),
    ],
)
def test_check_config_says_what_is_wrong(hornet: Say, words: tuple[str, ...], named: str) -> None:
    code, out, err = hornet("check-config", *words)
    assert (code, out) == (2, "")
    assert is_one_sentence(err)
    assert named in err


def test_config_doc_prints_the_reference(hornet: Say) -> None:
    code, out, _ = hornet("config-doc")
    assert code == 0
    assert out.startswith("<!-- Made by")
    assert "### `max_sessions_per_address`" in out


def test_config_doc_prints_each_default_as_it_is_written_in_a_file(hornet: Say) -> None:
    _, out, _ = hornet("config-doc")
    defaults = dict(re.findall(r"^### `(\w+)`\n.*?default: `?(.*?)`?(?: · reloads)?$", out, re.M | re.S))
    assert defaults["host"] == "*"
    assert defaults["auth_timeout"] == "10"
    assert defaults["transports"] == "polling,websocket"
    assert defaults["tls_cert"] == "none"
