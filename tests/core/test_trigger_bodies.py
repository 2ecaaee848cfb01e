"""The bodies of pushy's triggers: JSON and forms, and what a backend may have signed."""

import json
import time
from typing import Any

import pytest

from hornet.core.trigger_bodies import (
    FORM,
    MAX_FIELDS,
    MAX_LEVELS,
    MULTIPART,
    TriggerBody,
    parse_trigger_body,
    php_json,
)
from hornet.core.triggers import MISSING, RefusedTrigger, check_trigger

# What PHP 8.3 and pushy's SDK for PHP made: data, the form (http_build_query), and the auth_key over
# json_encode of the data, for channel hello, event test, timestamp 1700000000 and the secret top/secret.
PHP: tuple[tuple[Any, str, str], ...] = (
    ({}, "", "66d7d7163567037bf64572d2eefb661a54f6a464c273fd880e024a3555e4a125"),
    (
        {"text": "It works"},
        "text=It+works",
        "f66a649f11617aa15479b69e537af5e80e70cd2b5e4433cb6b48b73a97f7c5f9",
    ),
    (
        {"a": {"b": "1", "c": ["x", "y"]}, "l": ["1", "2"]},
        "a%5Bb%5D=1&a%5Bc%5D%5B0%5D=x&a%5Bc%5D%5B1%5D=y&l%5B0%5D=1&l%5B1%5D=2",
        "703ead0e0f4aafdc6f5ff8d5db0ba84be8547125717e89a3a05a671af82d20aa",
    ),
    (
        {"u": "http://é.fr/ž🐝"},
        "u=http%3A%2F%2F%C3%A9.fr%2F%C5%BE%F0%9F%90%9D",
        "0e444deee20a4ed4f0f613dd1f57e34c4535d07c497245109294d889b3214d61",
    ),
    (
        {"t": "a b+c&d=e[f]%\x7f\t"},
        "t=a+b%2Bc%26d%3De%5Bf%5D%25%7F%09",
        "a8f88085cbdfd6db548055a57d3cb737219191ce6436052c3deac810f7b40820",
    ),
    (["a", "b"], "0=a&1=b", "23ca6aca66cfdc38cb11567d3396bcc7007203fb041ddaed6553c6ae73985b80"),
    (
        {"l": [{"a": "1"}, {"a": "2"}]},
        "l%5B0%5D%5Ba%5D=1&l%5B1%5D%5Ba%5D=2",
        "675a7d7d50ba40f98d72bc174f64d23e696c6d79ccd1c44df605357ee8804a55",
    ),
)


@pytest.mark.parametrize(("data", "form", "key"), PHP)
def test_a_form_of_the_php_sdk_fits_its_signature_and_keeps_its_data(data: Any, form: str, key: str) -> None:
    bodies = parse_trigger_body(form.encode(), FORM)
    texts = [body.text for body in bodies]
    signed = check_trigger("top/secret", "hello", "test", "1700000000", texts, key, 1_700_000_000)
    assert bodies[signed].data == data


# What pushy's framework read in these forms (express 3.1.0, qs 0.5.1).
NESTED = (
    ("a[b]=1", {"a": {"b": "1"}}),
    ("l[]=2", {"l": ["2"]}),
    ("l[]=2&l[]=3", {"l": ["2", "3"]}),
    ("l[0]=a&l[1]=b", {"l": ["a", "b"]}),
    ("l[1]=b&l[0]=a", {"l": ["a", "b"]}),
    ("a=1&a=1&a=2", {"a": ["1", "1", "2"]}),
    ("a[b][c][]=x&a[b][d]=y", {"a": {"b": {"c": ["x"], "d": "y"}}}),
    ("l[0]=a&l[x]=b", {"l": {"0": "a", "x": "b"}}),
    ("a[b]=1&a[b]=2", {"a": {"b": ["1", "2"]}}),
    ("b=2&a=1", {"b": "2", "a": "1"}),
    ("a", {"a": ""}),
    ("a=b=c&&x+y=c+d&", {"a": "b=c", "x y": "c d"}),
    ("k%5Bx%5D=v&k%255B=v", {"k": {"x": "v"}, "k%5B": "v"}),
    ("a%5Bb=1", {"a[b": "1"}),
)


@pytest.mark.parametrize(("form", "data"), NESTED)
def test_brackets_of_a_form_nest_and_all_values_are_texts(form: str, data: Any) -> None:
    first = parse_trigger_body(form.encode(), f"{FORM}; charset=utf-8")[0]
    assert first.text == json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    assert first.data == data


def test_a_multipart_form_is_read_without_its_files() -> None:
    parts = [
        ('name="a[b]"', "ž\r\nx"),
        ('name="a[c]"\r\nContent-Type: text/plain', "--y"),
        ('name="f"; filename="f.txt"', "content"),
    ]
    body = "".join(
        f"--x-1\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n" for head, text in parts
    )
    for boundary in ("x-1", '"x-1"'):
        bodies = parse_trigger_body(f"{body}--x-1--\r\n".encode(), f"{MULTIPART}; boundary={boundary}")
        assert bodies[0].data == {"a": {"b": "ž\r\nx", "c": "--y"}}


@pytest.mark.parametrize("content_type", ["", "application/json", FORM, "text/plain"])
def test_json_is_read_whatever_its_type_says(content_type: str) -> None:
    texts = [body.text for body in parse_trigger_body('{ "a": "ž/" }'.encode(), content_type)]
    assert texts == ['{ "a": "ž/" }', '{"a":"ž/"}', '{"a":"\\u017e\\/"}']


def test_an_empty_body_is_an_empty_object_which_php_writes_as_a_list() -> None:
    for content_type in ("", "application/json", FORM):
        bodies = parse_trigger_body(b"", content_type)
        assert {"{}", "[]"} <= {body.text for body in bodies}
        assert all(body.data == {} for body in bodies)
    assert TriggerBody("[]", {}) in parse_trigger_body(b"{}", "application/json")


def test_php_escapes_slashes_and_all_beyond_ascii() -> None:
    assert php_json({"a/é": "\x7f\u2028🐝\n"}) == '{"a\\/\\u00e9":"\x7f\\u2028\\ud83d\\udc1d\\n"}'


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b'{"a":1e999}', "application/json"),
        (b'"\\ud800"', "application/json"),
        (b"a=%ff", FORM),
        (b"a=1&a[b]=2", FORM),
        (b"a[b]=1&a=2", FORM),
        (b"a" + b"[b]" * (MAX_LEVELS + 1) + b"=1", FORM),
        (b"a=1&" * MAX_FIELDS, FORM),
        (b"--x--", MULTIPART),
        (b"--x\r\n\r\n1\r\n--x--", f"{MULTIPART}; boundary=x"),
        (b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1', f"{MULTIPART}; boundary=x"),
        (b"\r\n--x" * (MAX_FIELDS + 2), f"{MULTIPART}; boundary=x"),
    ],
)
def test_what_is_neither_json_nor_a_form_is_refused(content: bytes, content_type: str) -> None:
    with pytest.raises(RefusedTrigger) as refused:
        parse_trigger_body(content, content_type)
    assert refused.value.code == MISSING


@pytest.mark.parametrize(
    "line", [b"Content-Disposition: ", b"Content-Disposition: ; ", b"; ", b" ", b";name="]
)
def test_a_multipart_form_is_read_in_linear_time(line: bytes) -> None:
    """Anybody may send one, because the signature is over what it means. 1 MB took minutes."""
    heads = [b"Content-Disposition:" + line * (1_000_000 // len(line))]
    heads.append(b"Content-Disposition:" + line * (900 // len(line)))
    for head in heads:
        parts = (
            b"--x\r\n" + (head + b"\r\n\r\nvalue\r\n--x\r\n") * min(900, 1_000_000 // len(head)) + b"--x--"
        )
        begun_s = time.process_time()
        with pytest.raises(RefusedTrigger):
            parse_trigger_body(parts, "multipart/form-data; boundary=x")
        assert time.process_time() - begun_s < 1
