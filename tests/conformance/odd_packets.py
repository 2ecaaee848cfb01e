# ruff: noqa: E501  # a case stands on one line
"""Odd packets of Engine.IO and Socket.IO on a WebSocket, and odd frames."""

from tests.conformance.cases import Case, frames, packets
from tests.conformance.observing import masked

PLACEHOLDER = '{"_placeholder":true,"num":0}'

ENGINE = [
    "",
    "0",
    "0{}",
    "1",
    "1x",
    "2",
    "2probe",
    "3",
    "3x",
    "5",
    "5x",
    "6",
    "6x",
    "7",
    "9",
    "a",
    " ",
    " 4",
    "b",
    "bMA==",
    "b4MA==",
    "bMA",
    "b!",
    "4",
]

EVENTS = [
    '2["a"]', "2[]", "2", "2{}", '2"a"', "2null", "2[1]", "2[1.5]", "2[null]", "2[true]", "2[{}]", '2[["a"]]', "2[-0]",
    *(f'2["{name}"]' for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener", "error", "__proto__", "constructor", "", " ", "message", "ping", "open", "reconnect", "é🐝", "\\u0000", "\\ud800")),
    '2["a",1e400]', '2["a",NaN]', '2["a",-Infinity]', '2["a",1]x', '2 ["a"]', '2["a"] ', '2\n["a"]', '2["a",\n1]', "2['a']", '2["a",]',
    '20["a"]', '2007["a"]', '2-1["a"]', '2+1["a"]', '21.5["a"]', '212345678901234567890["a"]', '2123456789012345678901["a"]',
    '2/,["a"]', '2/custom,["a"]', '2/custom["a"]', '2/nowhere,["a"]', '2/custom?x=1,["a"]', '2//,["a"]', '2/Custom,["a"]', '2custom,["a"]',
    '2["a",{"b":1,"b":2}]', '2["a",{"__proto__":1}]', '2["a",{"2":1,"1":2}]', '2["a","\\ud83d\\udc1d"]', '2["a","\t"]', '2["a","\\u0000"]', '2["a",01]', '2["a",1.]', '2["a",.5]', '2["a",0x10]', '2["a",1E5]', '2["a","\u2028"]', '\ufeff2["a"]', '2\ufeff["a"]',
    '2["a",' + "[" * 40 + "]" * 40 + "]",
    '2["' + "x" * 5000 + '"]',
    '21["ask"]', '21["ask",1.0]', '21["ask",-0]', '21["ask",1e21]', '21["ask",12345678901234567890]', '21["ask",0.1,1e-7]', '21["ask","\u2028</script>"]', '21["ask",{"2":1,"1":2}]', '21["ask","\\u00e9\\/"]', '21["ask",null]', '21["unknown"]', '2007["ask",7]', '212345678901234567890["ask"]',
]  # fmt: skip

JOINS = [
    "0", "0{}", '0{"a":1}', "0[]", '0"x"', "0null", "01", "0true", "00", '0{"a":', "0,", "0/,", "0/,{}", "0/", "0 ",
    "0/custom,", "0/custom", "0/custom,{}", '0/custom,{"a":1}', "0/custom,[]", "0/custom,null", "0/custom?a=1,", "0/custom?a=1", "0/custom,5{}",
    "0/nowhere,", "0/nowhere", "0//,", "0/ ,", "0/cust%6fm,", "0/custom/,", "0/é,", "0custom",
]  # fmt: skip

LEAVES = ["1", "1{}", '1"x"', "1null", "10", "1/,", "1/custom,", "1/custom", "1/nowhere,", "1[]"]

ACKS = [
    "3",
    "3[]",
    "30",
    "30[]",
    '30["a"]',
    "30{}",
    '30"x"',
    "3null",
    "399[]",
    "3/custom,0[]",
    "3/nowhere,0[]",
    "3-1[]",
    "31.5[]",
    "3123456789012345678901[]",
]

OTHERS = [
    "4",
    "4{}",
    '4"x"',
    '4{"message":"x"}',
    "7",
    "8[]",
    "9",
    "a",
    "-1",
    "/",
    ",",
    "[]",
    "{}",
    "\x00",
    "é",
]

BINARY: dict[str, list[str | bytes]] = {
    "a binary event": [f'451-["a",{PLACEHOLDER}]', b"\x01\x02"],
    "one that asks": [f'451-7["ask",{PLACEHOLDER}]', b"\x01\x02"],
    "an empty attachment": [f'451-["a",{PLACEHOLDER}]', b""],
    "an attachment before its packet": [b"\x01", f'451-["a",{PLACEHOLDER}]'],
    "an attachment alone": [b"\x01"],
    "an empty attachment alone": [b""],
    "text instead of the attachment": [f'451-["a",{PLACEHOLDER}]', '42["b"]'],
    "a ping instead of the attachment": [f'451-["a",{PLACEHOLDER}]', "3", b"\x01"],
    "one attachment more": [f'451-["a",{PLACEHOLDER}]', b"\x01", b"\x02"],
    "one placeholder twice": [f'451-["a",{PLACEHOLDER},{PLACEHOLDER}]', b"\x01"],
    "two attachments and one placeholder": [f'452-["a",{PLACEHOLDER}]', b"\x01", b"\x02"],
    "an attachment that nothing refers to": ['451-["a"]', b"\x01"],
    "an attachment that nothing refers to, beside a data object": ['451-["a",{"b":1}]', b"\x01"],
    "none though one is said": ['450-["a"]'],
    "none though a placeholder stands": [f'450-["a",{PLACEHOLDER}]'],
    "a number that is missing": ['451-["a",{"_placeholder":true}]', b"\x01"],
    "number 1 of 1": ['451-["a",{"_placeholder":true,"num":1}]', b"\x01"],
    "number -1": ['451-["a",{"_placeholder":true,"num":-1}]', b"\x01"],
    "number 0.5": ['451-["a",{"_placeholder":true,"num":0.5}]', b"\x01"],
    "number 0.0": ['451-["a",{"_placeholder":true,"num":0.0}]', b"\x01"],
    "a number as text": ['451-["a",{"_placeholder":true,"num":"0"}]', b"\x01"],
    "a placeholder that is false": ['451-["a",{"_placeholder":false,"num":0}]', b"\x01"],
    "a placeholder that is 1": ['451-["a",{"_placeholder":1,"num":0}]', b"\x01"],
    "a placeholder with more fields": ['451-["a",{"_placeholder":true,"num":0,"x":1}]', b"\x01"],
    "a placeholder in a plain event": [f'42["a",{PLACEHOLDER}]'],
    "a placeholder as the name": [f"451-[{PLACEHOLDER}]", b"\x01"],
    "a placeholder as all data": [f"451-{PLACEHOLDER}", b"\x01"],
    "placeholders in another order": [
        '452-["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]',
        b"\x01",
        b"\x02",
    ],
    "a nested placeholder": [f'451-["a",[{{"b":{PLACEHOLDER}}}]]', b"\x01"],
    "ten attachments": [
        '4510-["a",' + ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(10)) + "]",
        *[b"\x01"] * 10,
    ],
    "eleven attachments": [
        '4511-["a",' + ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(11)) + "]",
        *[b"\x01"] * 11,
    ],
    "no number": [f'45-["a",{PLACEHOLDER}]', b"\x01"],
    "no dash": [f'451["a",{PLACEHOLDER}]', b"\x01"],
    "a number with a zero before it": [f'4501-["a",{PLACEHOLDER}]', b"\x01"],
    "a number with a plus": [f'45+1-["a",{PLACEHOLDER}]', b"\x01"],
    "a number that is none": [f'45x-["a",{PLACEHOLDER}]', b"\x01"],
    "no data": ["451-", b"\x01"],
    "a namespace": ["40/custom,", f'451-/custom,["a",{PLACEHOLDER}]', b"\x01"],
    "a namespace and an id": ["40/custom,", f'451-/custom,7["ask",{PLACEHOLDER}]', b"\x01"],
    "a namespace that was not joined": [f'451-/custom,["a",{PLACEHOLDER}]', b"\x01"],
    "a reserved name": [f'451-["connect",{PLACEHOLDER}]', b"\x01"],
    "an acknowledgement": [f"461-0[{PLACEHOLDER}]", b"\x01"],
    "an acknowledgement without attachments": ["460-0[]"],
    "an acknowledgement without data": ["461-0", b"\x01"],
    "an acknowledgement without id": [f"461-[{PLACEHOLDER}]", b"\x01"],
    "a dash in a plain event": ['421-["a"]'],
}

SEQUENCES: dict[str, list[str | bytes]] = {
    "joining twice": ["40"],
    "joining a namespace twice": ["40/custom,", "40/custom,"],
    "an event for a namespace": ["40/custom,", '42/custom,["a",1]'],
    "a question for a namespace": ["40/custom,", '42/custom,5["ask",1]'],
    "a question for a namespace, without id": ["40/custom,", '42/custom,["ask",1]'],
    "leaving a namespace, then an event for it": ["40/custom,", "41/custom,", '42/custom,["a"]'],
    "leaving a namespace twice": ["40/custom,", "41/custom,", "41/custom,"],
    "leaving and joining a namespace": ["40/custom,", "41/custom,", "40/custom,"],
    "leaving and joining again": ["41", "40"],
    "a namespace with a query": ["40/custom?a=1,", '42/custom,["a"]'],
    "an id twice": ['421["ask",1]', '421["ask",2]'],
    "a ping and a pong": ["3", "3", "6"],
    "an upgrade packet": ["5", '42["a"]'],
    "an upgrade packet twice": ["5", "5", '42["a"]'],
    "a close packet, then an event": ["1", '42["a"]'],
    "an open packet, then an event": ["0", '42["a"]'],
    "base64 as text": [f'451-["a",{PLACEHOLDER}]', "bAQI="],
    "base64 as text, not padded": [f'451-["a",{PLACEHOLDER}]', "bAQI"],
    "base64 of the other alphabet": [f'451-["a",{PLACEHOLDER}]', "b-_8="],
}

FRAMES: dict[str, list[bytes]] = {
    "a text in two": [masked(0x01, b'42["'), masked(0x80, b'a"]')],
    "a text in three, one empty": [masked(0x01, b'42["'), masked(0x00, b""), masked(0x80, b'a"]')],
    "an empty fragment first": [masked(0x01, b""), masked(0x80, b'42["a"]')],
    "a ping between fragments": [masked(0x01, b'42["'), masked(0x89, b"x"), masked(0x80, b'a"]')],
    "a letter cut between fragments": [masked(0x01, b'42["\xc3'), masked(0x80, b'\xa9"]')],
    "a ping": [masked(0x89, b"")],
    "a ping with content": [masked(0x89, b"abc")],
    "a pong nobody asked for": [masked(0x8A, b"abc")],
    "a ping of 125 bytes": [masked(0x89, b"x" * 125)],
    "a ping of 126 bytes": [masked(0x89, b"x" * 126)],
    "a ping in two": [masked(0x09, b"a"), masked(0x80, b"b")],
    "a continuation first": [masked(0x80, b"a")],
    "a new text before the end of one": [masked(0x01, b"42"), masked(0x81, b'42["a"]')],
    "a length in two bytes": [masked(0x81, b'42["a"]', width=2)],
    "a length in eight bytes": [masked(0x81, b'42["a"]', width=8)],
    "not masked": [masked(0x81, b'42["a"]', mask=False)],
    "the first reserved bit": [masked(0xC1, b'42["a"]')],
    "the second reserved bit": [masked(0xA1, b'42["a"]')],
    "opcode 3": [masked(0x83, b"a")],
    "opcode 11": [masked(0x8B, b"a")],
    "text that is not UTF-8": [masked(0x81, b'42["\xff"]')],
    "a surrogate in UTF-8": [masked(0x81, b'42["\xed\xa0\x80"]')],
    "more than the limit": [masked(0x81, b'42["' + b"x" * 20_000 + b'"]')],
    "the limit": [masked(0x81, b'42["' + b"x" * 19_994 + b'"]')],
    "more than the limit in two": [masked(0x01, b'42["' + b"x" * 15_000), masked(0x80, b"x" * 15_000 + b'"]')],
    "a binary frame in two": [masked(0x81, f'451-["a",{PLACEHOLDER}]'.encode()), masked(0x02, b"a"), masked(0x80, b"b")],
    **{
        f"a Close frame, {name}": [masked(0x88, content)]
        for name, content in {
            "empty": b"",
            "1000": b"\x03\xe8",
            "1000 with a reason": b"\x03\xe8bye",
            "1001": b"\x03\xe9",
            "1004": b"\x03\xec",
            "1005": b"\x03\xed",
            "1006": b"\x03\xee",
            "1014": b"\x03\xf6",
            "1015": b"\x03\xf7",
            "999": b"\x03\xe7",
            "2999": b"\x0b\xb7",
            "3000": b"\x0b\xb8",
            "4999": b"\x13\x87",
            "5000": b"\x13\x88",
            "0": b"\0\0",
            "one byte": b"\x03",
            "a reason that is not UTF-8": b"\x03\xe8\xff",
        }.items()
    },
}  # fmt: skip


def _version_3(sent: list[str | bytes]) -> list[str | bytes]:
    """Put the type byte before each attachment."""
    return [b"\x04" + packet if isinstance(packet, bytes) else packet for packet in sent]


CASES: list[Case] = [
    *(packets(f"packet {sent!r}", sent, eio=eio) for sent in ENGINE for eio in (4, 3)),
    *(packets(f"event {sent[:60]!r}", "4" + sent) for sent in EVENTS),
    *(packets(f"event {sent[:60]!r}", "4" + sent, eio=3) for sent in EVENTS[::7]),
    *(packets(f"first packet {sent!r}", "4" + sent, join=False, marker="7") for sent in JOINS),
    *(packets(f"joining by {sent!r}", "4" + sent) for sent in JOINS),
    *(packets(f"joining by {sent!r}", "4" + sent, eio=3) for sent in JOINS),
    *(packets(f"leaving by {sent!r}", "4" + sent, eio=eio, marker="") for sent in LEAVES for eio in (4, 3)),
    *(packets(f"acknowledgement {sent!r}", "4" + sent) for sent in ACKS),
    *(packets(f"message {sent!r}", "4" + sent, eio=eio) for sent in OTHERS for eio in (4, 3)),
    *(packets(f"binary: {name}", *sent) for name, sent in BINARY.items()),
    *(packets(f"binary: {name}", *_version_3(sent), eio=3) for name, sent in list(BINARY.items())[:12]),
    *(packets(f"sequence: {name}", *sent) for name, sent in SEQUENCES.items()),
    packets("leaving, then an event", "41", '42["a"]', marker=""),
    *(frames(name, *sent) for name, sent in FRAMES.items()),
]  # fmt: skip
