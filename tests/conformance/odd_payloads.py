# ruff: noqa: E501  # a case stands on one line
"""Odd bodies and orders of requests in a polling session, and odd upgrades."""

from tests.conformance.cases import Case, packets, posted, upgrade
from tests.conformance.observing import MARKER, Observation

EVENT = '42["a"]'

BODIES_4: dict[str, bytes] = {
    "two packets": b'42["a"]\x1e42["b"]',
    "an empty body": b"",
    "a separator alone": b"\x1e",
    "a separator at the end": b'42["a"]\x1e',
    "a separator at the start": b'\x1e42["a"]',
    "two separators": b'42["a"]\x1e\x1e42["b"]',
    "a binary event": b'451-["a",{"_placeholder":true,"num":0}]\x1ebAQI=',
    "a binary event, not padded": b'451-["a",{"_placeholder":true,"num":0}]\x1ebAQI',
    "base64 of the other alphabet": b'451-["a",{"_placeholder":true,"num":0}]\x1eb-_8=',
    "base64 with a space": b'451-["a",{"_placeholder":true,"num":0}]\x1ebAQ I=',
    "an empty attachment": b'451-["a",{"_placeholder":true,"num":0}]\x1eb',
    "an attachment alone": b"bAQI=",
    "not UTF-8": b'42["\xff"]',
    "a byte order mark": b'\xef\xbb\xbf42["a"]',
    "a space": b" ",
    "a newline at the end": b'42["a"]\n',
    "the limit": b'42["' + b"x" * 19_994 + b'"]',
    "more than the limit": b'42["' + b"x" * 20_000 + b'"]',
    "an upgrade packet": b'5\x1e42["a"]',
    "a noop": b'6\x1e42["a"]',
    "a pong": b'3\x1e42["a"]',
    "a ping": b'2\x1e42["a"]',
    "a probe": b'2probe\x1e42["a"]',
    "an open packet": b'0\x1e42["a"]',
    "an unknown packet": b'7\x1e42["a"]',
    "an event before an unknown packet": b'42["a"]\x1e7',
    "a close packet": b'1\x1e42["a"]',
    "an event before a close packet": b'42["a"]\x1e1',
    "a body of version 3": b'7:42["a"]',
    "a question": b'425["ask","\xc3\xa9"]',
    "leaving": b'41\x1e42["a"]',
    "joining twice": b'40\x1e42["a"]',
}

TYPES: dict[str, list[str]] = {
    "application/octet-stream": ["Content-Type: application/octet-stream"],
    "application/json": ["Content-Type: application/json"],
    "a form": ["Content-Type: application/x-www-form-urlencoded"],
    "an empty type": ["Content-Type: "],
    "text in Latin-1": ["Content-Type: text/plain;charset=ISO-8859-1"],
    "TEXT/PLAIN": ["Content-Type: TEXT/PLAIN"],
    "an origin that is not allowed": ["Origin: http://foe.example"],
    "Expect 100-continue": ["Expect: 100-continue"],
}

BODIES_3: dict[str, bytes] = {
    "one packet": b'7:42["a"]',
    "two packets": b'7:42["a"]7:42["b"]',
    "an empty body": b"",
    "no length": b'42["a"]',
    "a length of 0": b"0:",
    "a length of 0 before a packet": b'0:7:42["a"]',
    "a length too small": b'6:42["a"]',
    "a length too big": b'8:42["a"]',
    "a length with a zero before it": b'07:42["a"]',
    "a length with a plus": b'+7:42["a"]',
    "a length with a space": b' 7:42["a"]',
    "a negative length": b'-7:42["a"]',
    "a length of letters": b'x:42["a"]',
    "a colon alone": b":",
    "a letter beyond ASCII": '7:42["\u00e9"]'.encode(),
    "an emoji as two": '8:42["\U0001f41d"]'.encode(),
    "an emoji as one": '7:42["\U0001f41d"]'.encode(),
    "UTF-8 twice": '8:42["\u00c3\u00a9"]'.encode(),
    "a binary packet": b'39:451-["a",{"_placeholder":true,"num":0}]6:b4AQI=',
    "a binary packet of another type": b"6:b2AQI=",
    "a ping": b'1:27:42["a"]',
    "a ping with data": b'6:2probe7:42["a"]',
    "a pong": b'1:37:42["a"]',
    "an upgrade packet": b'1:57:42["a"]',
    "a noop": b'1:67:42["a"]',
    "a close packet": b'1:17:42["a"]',
    "an unknown packet": b'1:77:42["a"]',
    "a body of version 4": b'42["a"]\x1e42["b"]',
    "a newline at the end": b'7:42["a"]\n',
    "not UTF-8": b'7:42["\xff"]',
}

BINARY_BODIES_3: dict[str, bytes] = {
    "text": b'\x00\x07\xff42["a"]',
    "two texts": b'\x00\x07\xff42["a"]\x00\x07\xff42["b"]',
    "a binary event": b'\x00\x03\x09\xff451-["a",{"_placeholder":true,"num":0}]\x01\x03\xff\x04\x01\x02',
    "an attachment alone": b"\x01\x03\xff\x04\x01\x02",
    "kind 2": b'\x02\x07\xff42["a"]',
    "a length too small": b'\x00\x06\xff42["a"]',
    "a length too big": b'\x00\x08\xff42["a"]',
    "no length": b'\x00\xff42["a"]',
    "an empty body": b"",
    "a text body": b'7:42["a"]',
}

FORMS_3: dict[str, bytes] = {
    "a packet": b"d=7%3A42%5B%22a%22%5D",
    "not escaped": b'd=7:42["a"]',
    "two fields": b"d=7%3A42%5B%22a%22%5D&e=1",
    "another field": b"e=7%3A42%5B%22a%22%5D",
    "an empty field": b"d=",
    "a newline": b"d=8%3A42%5B%22a%22%5D%5Cn",
}

UPGRADES: dict[str, list[str | bytes]] = {
    "a probe and the upgrade": ["2probe", "5"],
    "without a probe": ["5"],
    "without a probe, with data": ["5x"],
    "two probes": ["2probe", "2probe", "5"],
    "the upgrade twice": ["2probe", "5", "5"],
    "the upgrade with data": ["2probe", "5probe"],
    "a probe behind the upgrade": ["2probe", "5", "2probe"],
    "an event before the upgrade": ["2probe", EVENT],
    "an event first": [EVENT],
    "a bare ping": ["2"],
    "another probe": ["2probe2"],
    "a pong": ["3probe"],
    "a noop": ["6"],
    "a noop behind the probe": ["2probe", "6", "5"],
    "a close packet": ["1"],
    "a close packet behind the probe": ["2probe", "1"],
    "an empty packet": [""],
    "binary": [b"\x04"],
    "an unknown packet": ["x"],
    "an event behind the upgrade": ["2probe", "5", EVENT],
    "joining behind the upgrade": ["2probe", "5", "40/custom,"],
}

QUESTION = '451-7["ask",{"_placeholder":true,"num":0}]'
BASE64: dict[tuple[int, str], str | bytes] = {
    (4, "bytes as text"): "bAQI=",
    (4, "bytes in a binary frame"): b"\x01\x02",
    (3, "bytes as text"): "b4AQI=",
    (3, "bytes in a binary frame"): b"\x04\x01\x02",
}


async def _polling_after_the_upgrade(observed: Observation) -> None:
    sid = await observed.open_polling(4)
    websocket = await observed.websocket(f"/socket.io/?EIO=4&transport=websocket&sid={sid}")
    assert websocket is not None
    websocket.send("2probe")
    websocket.send("5")
    websocket.send(MARKER)
    await websocket.read_to_the_end(observed)
    observed.add((await observed.poll(sid, 4)).shown)
    observed.add((await observed.post(sid, 4, EVENT.encode())).shown)
    websocket.send(MARKER)
    await websocket.read_to_the_end(observed)
    await websocket.leave()


async def _a_second_websocket(observed: Observation) -> None:
    sid = await observed.open_polling(4)
    target = f"/socket.io/?EIO=4&transport=websocket&sid={sid}"
    websocket = await observed.websocket(target)
    assert websocket is not None
    websocket.send("2probe")
    websocket.send("5")
    websocket.send(MARKER)
    await websocket.read_to_the_end(observed)
    second = await observed.websocket(target)
    if second is not None:
        observed.add(f"second: {(await second.frame()).partition(' ')[0]}")
        await second.leave()
    websocket.send(MARKER)
    await websocket.read_to_the_end(observed)
    await websocket.leave()


async def _another_version(observed: Observation) -> None:
    sid = await observed.open_polling(4)
    observed.add((await observed.poll(sid, 3)).shown)
    await observed.poll_to_the_end(sid, 4)


async def _upgrade_of_another_version(observed: Observation) -> None:
    sid = await observed.open_polling(4)
    websocket = await observed.websocket(f"/socket.io/?EIO=3&transport=websocket&sid={sid}")
    if websocket is not None:
        websocket.send("2probe")
        observed.add(await websocket.frame())
        await websocket.leave()
    await observed.poll_to_the_end(sid, 4)


async def _another_transport(observed: Observation) -> None:
    sid = await observed.open_polling(4)
    observed.add((await observed.request("GET", f"/socket.io/?EIO=4&transport=websocket&sid={sid}")).shown)
    observed.add((await observed.request("GET", f"/socket.io/?EIO=4&sid={sid}")).shown)
    observed.add((await observed.request("PUT", f"/socket.io/?EIO=4&transport=polling&sid={sid}")).shown)
    observed.add(
        (await observed.request("POST", f"/socket.io/?transport=polling&sid={sid}", body=b"6")).shown
    )
    await observed.poll_to_the_end(sid, 4)


CASES: list[Case] = [
    *(posted(name, body) for name, body in BODIES_4.items()),
    *(posted(f"type {name}", EVENT.encode(), *lines) for name, lines in TYPES.items()),
    posted("the first packet is an event", EVENT.encode(), join=False),
    posted("chunks", b'7\r\n42["a"]\r\n0\r\n\r\n', "Transfer-Encoding: chunked"),
    *(posted(name, body, eio=3) for name, body in BODIES_3.items()),
    *(posted(f"binary, {name}", body, "Content-Type: application/octet-stream", eio=3) for name, body in BINARY_BODIES_3.items()),
    *(posted(f"form, {name}", body, "Content-Type: application/x-www-form-urlencoded", eio=3, more="&j=1") for name, body in FORMS_3.items()),
    *(upgrade(name, *sent, eio=eio) for name, sent in UPGRADES.items() for eio in (4, 3)),
    *(packets(f"b64: {name}", QUESTION, answer, eio=eio, more=["b64=1"]) for (eio, name), answer in BASE64.items()),
    Case("polling after the upgrade", _polling_after_the_upgrade),
    Case("a second WebSocket after the upgrade", _a_second_websocket),
    Case("a poll of another version", _another_version),
    Case("an upgrade of another version", _upgrade_of_another_version),
    Case("another transport, none, another method, no version", _another_transport),
]  # fmt: skip
