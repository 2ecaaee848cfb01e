# ruff: noqa: E501  # a row of the table stands on one line
"""What Hornet and the Node reference do otherwise in the differential run, each with its reason.

``docs/topics/conformance.md`` shows the same table; ``test_differences.py`` compares the two.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One kind of input, what the two servers do with it, and the names of its cases as patterns."""

    input: str
    hornet: str
    node: str
    why: str
    names: Sequence[str]

    def has(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.names)

    @property
    def row(self) -> str:
        """Return the row of the table in the page."""
        return f"| {self.input} | {self.hornet} | {self.node} | {self.why} |"


KNOWN = [
    Difference(
        "`EIO` missing, or neither `3` nor `4`",
        "400, code 5",
        "version 3",
        "a client that names another version speaks another protocol",
        [
            r"(WebSocket: )?query '(transport=|eio=4|EIO\[\]|EIO=(1|2|5|04|4\.0||4%20|\+4|-4|four)&).*",
        ],
    ),
    Difference(
        "a field of the query that comes twice with different values",
        "the first counts",
        "the last counts, or a list of both fits nothing",
        "RFC 3986 leaves it open; no client sends that",
        [
            r"query 'EIO=(3&EIO=4|4&EIO=3)&transport=polling'",
            r"(WebSocket: )?query 'EIO=4&transport=(polling&transport=websocket|websocket&transport=polling)'",
        ],
    ),
    Difference(
        "a JSONP index that is no number",
        "400, code 3",
        "its digits count",
        "the index becomes part of a script",
        [r"query 'EIO=[34]&transport=polling&j=(|abc|-1|1\.5|1;alert\(1\))'"],
    ),
    Difference(
        "JSONP",
        "`text/javascript`; of two indices, the first",
        "`text/plain`; of two, the last",
        "browsers refuse to run `text/plain` where `nosniff` is set",
        [
            r"query 'EIO=[34]&transport=polling&j=(0|5|007|12345678901234567890)'",
            r"query 'EIO=3&transport=polling&j=1&(j=2|b64=1)'",
            r"POST, EIO 3: form, (a packet|not escaped|two fields|a newline)",
        ],
    ),
    Difference(
        "a page of a foreign origin: a preflight, a POST without a session, a WebSocket",
        "403",
        "204, 400",
        "the origin is checked first, and always named as the reason",
        [r"method (POST|OPTIONS), a foreign page", r"WebSocket: an origin that is not"],
    ),
    Difference(
        "an allowed origin in capitals, with its scheme's own port, or with a slash",
        "served",
        "403: its application here compares texts",
        "it is the same origin (RFC 6454, 4)",
        [r"header: an origin (in capitals|with a port|with a slash)"],
    ),
    Difference(
        "a later request of a page of a foreign origin",
        "403; the session goes on",
        "served",
        "each request is checked, not only the first",
        [r"POST, EIO 4: type an origin that is not allowed"],
    ),
    Difference(
        "`Upgrade: h2c` on a poll",
        "served over HTTP/1.1",
        "400",
        "RFC 9110, 7.8: a server may ignore an upgrade",
        [r"header: Connection upgrade alone"],
    ),
    Difference(
        "the path without its last slash; a path below it",
        "served; 404",
        "404; served",
        "some clients leave the slash out; other paths may be others' routes",
        [r"path /socket\.io(|/x|//)"],
    ),
    Difference(
        "`Sec-WebSocket-Version: 8`",
        "400",
        "served",
        "a draft; RFC 6455 is 13",
        [r"WebSocket: version 8"],
    ),
    Difference(
        "`transport=polling` with a WebSocket request",
        "answered as a poll",
        "accepted, then closed",
        "RFC 9110, 7.8: a server may ignore an upgrade",
        [r"WebSocket: query 'EIO=4&transport=polling'"],
    ),
    Difference(
        "an open packet from a client",
        "closes",
        "ignored",
        "only a server sends it",
        [
            r"EIO [34]: packet '0(\{\})?'",
            r"EIO 4: sequence: an open packet.*",
            r"POST, EIO 4: an open packet",
        ],
    ),
    Difference(
        "a close packet on a WebSocket",
        "closes",
        "ignored",
        "the client asked for it",
        [r"EIO [34]: packet '1x?'", r"EIO 4: sequence: a close packet.*"],
    ),
    Difference(
        "the data of a version 3 ping",
        "comes back in the pong",
        "is left out",
        "the protocol's text says so",
        [r"EIO 3: packet '2probe'", r"POST, EIO 3: a ping with data", r"upgrade, EIO 3: a probe behind .*"],
    ),
    Difference(
        "a body or packet that breaks its format: what follows, and the answer to a POST",
        "400; nothing of the body is handled",
        "200, then the session ends; what comes before the fault is handled",
        "the client learns of its fault",
        [
            r"POST, EIO 4: (an empty body|a separator.*|two separators|an attachment alone|a byte order mark|a space"
            r"|a ping|a probe|an unknown packet|an event before an unknown packet|a body of version 3|joining twice)",
            r"POST, EIO 3: (an empty body|no length|a length too (small|big)|a negative length|a length of letters"
            r"|a colon alone|an emoji as one|a pong|an unknown packet|a body of version 4|a newline at the end"
            r"|form, an empty field)",
            r"POST, EIO 3: binary, (an attachment alone|a length too small|no length|a text body)",
        ],
    ),
    Difference(
        "version 3: odd lengths, packets of unknown kind, forms without `d`",
        "400; the session ends",
        "ignored, or read somehow",
        "a length that does not fit hides a lost packet",
        [
            r"EIO 3: packet 'b(|MA|MA==|!)'",
            r"POST, EIO 3: (a length of 0.*|a length with a (plus|space)|a binary packet of another type"
            r"|form, another field)",
            r"POST, EIO 3: binary, (kind 2|a length too big|an empty body)",
        ],
    ),
    Difference(
        "text that is not UTF-8 in a POST",
        "400; the session ends",
        "U+FFFD in its place",
        "the message would reach others garbled",
        [r"POST, EIO [34]: not UTF-8"],
    ),
    Difference(
        "base64 that is not padded, has spaces, or is of the other alphabet",
        "closes",
        "decoded",
        "RFC 4648, 3.2 and 3.3; no client sends it",
        [
            r"POST, EIO 4: (a binary event, not padded|base64 .*)",
            r"EIO 4: sequence: base64 (as text, not padded|of the other alphabet)",
        ],
    ),
    Difference(
        "UTF-8 twice in a POST of version 3",
        "decoded twice",
        "decoded once",
        "socket.io-client 1.x encodes so",
        [r"POST, EIO 3: UTF-8 twice"],
    ),
    Difference(
        "an event without data, an acknowledgement without data or id",
        "closes",
        "an event without a name; ignored",
        "no handler can take it",
        [
            r"EIO 4: event '2'",
            r"EIO 4: binary: (no data|an acknowledgement without (data|id))",
            r"EIO 4: acknowledgement '3(0|\[\])?'",
        ],
    ),
    Difference(
        "an id of more than 20 digits, a number of attachments with a plus",
        "closes",
        "rounded; read",
        "no answer could name the id",
        [
            r"EIO 4: (event '2123456789012345678901\[\"a\"\]'|acknowledgement '3123456789012345678901\[\]')",
            r"EIO 4: binary: a number with a plus",
        ],
    ),
    Difference(
        "white space of JavaScript that JSON has not (U+FEFF, a space alone)",
        "closes",
        "read as the id 0",
        "an id that nobody gave",
        [r"EIO 4: event '2\\ufeff\[\"a\"\]'", r"EIO 4: first packet '0 '"],
    ),
    Difference(
        "numbers in an answer: `1.0`, `1e-7`, whole ones beyond 2^53, such ids; order of keys that are numbers",
        "as they came",
        "as JavaScript has them",
        "the same value; none is rounded on the way",
        [
            r"EIO 4: event '21\[\"ask\",(1\.0|12345678901234567890|\{\"2\":1,\"1\":2\})\]'",
            r"EIO [34]: event '(21\[\"ask\",0\.1,1e-7\]|212345678901234567890\[\"ask\"\])'",
        ],
    ),
    Difference(
        "joining and leaving with `null`",
        "as without data",
        "closes",
        "clients of other languages write an absent payload so",
        [
            r"EIO 4: first packet '0(/custom,)?null'",
            r"EIO [34]: joining by '0/custom,null'",
            r"EIO [34]: leaving by '1null'",
        ],
    ),
    Difference(
        "a namespace with a query",
        "the query is left out",
        "version 4: an unknown namespace; version 3: the query is the payload",
        "older clients of version 4 still send it",
        [
            r"EIO 4: (first packet|joining by) '0/custom\?a=1,?'",
            r"EIO 3: joining by '0/custom\?a=1,?'",
            r"EIO 4: sequence: a namespace with a query",
        ],
    ),
    Difference(
        "version 3: joining with a payload",
        "a plug-in gets it",
        "left out",
        "harmless",
        [r"EIO 3: joining by '0/custom,\{\"a\":1\}'"],
    ),
    Difference(
        "version 3: an unknown namespace",
        "refused with a text",
        "with an object; a name that is no URL closes",
        "the text is what clients of that version expect",
        [r"EIO 3: joining by '0/(nowhere,?|/,| ,|cust%6fm,|custom/,|é,)'"],
    ),
    Difference(
        "packets for a namespace right behind the one that joins it",
        "handled in order",
        "closes: Node joins in a later turn",
        "a session's packets are handled one after the other",
        [
            r"EIO 4: binary: a namespace( and an id)?",
            r"EIO 4: sequence: (an event|a question) for a namespace(, without id)?",
            r"EIO 4: sequence: leaving (a namespace, then an event for it|a namespace twice"
            r"|and joining a namespace)",
        ],
    ),
    Difference(
        "joining a namespace twice",
        "closes",
        "joined twice, if both come at once",
        "an id would be lost",
        [r"EIO 4: sequence: joining a namespace twice"],
    ),
    Difference(
        "an event behind the packet that leaves",
        "closes; a POST's is dropped",
        "handled, if both come at once",
        "the session has left",
        [r"EIO 4: leaving, then an event", r"POST, EIO 4: leaving"],
    ),
    Difference(
        "a placeholder numbered 0.5",
        "closes",
        "`undefined`",
        "it names no attachment",
        [r"EIO 4: binary: number 0\.5"],
    ),
    Difference(
        "another method for a session; a request of a session without `EIO`",
        "400 with a code; served",
        "500 without a body; 400",
        "the session's version is known",
        [r"another transport, none, another method, no version"],
    ),
]


def differences_of(name: str) -> list[Difference]:
    """Return the known differences that a case belongs to."""
    return [difference for difference in KNOWN if difference.has(name)]
