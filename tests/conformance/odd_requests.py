"""Odd requests that open a session, or should: methods, queries, headers."""

from tests.conformance.cases import Case, request, websocket_headers, websocket_request

OPENING = "EIO=4&transport=polling"
WEBSOCKET = "EIO=4&transport=websocket"

QUERIES = [
    "transport=polling",
    *(
        f"EIO={eio}&transport=polling"
        for eio in ("3", "2", "1", "5", "04", "4.0", "", "%34", "4%20", "+4", "-4", "four")
    ),
    "EIO=4&EIO=4&transport=polling",
    "EIO=3&EIO=4&transport=polling",
    "EIO=4&EIO=3&transport=polling",
    "eio=4&transport=polling",
    "EIO[]=4&transport=polling",
    "EIO=4",
    *(
        f"EIO=4&transport={name}"
        for name in (
            "",
            "Polling",
            "websocket",
            "webtransport",
            "%70olling",
            "polling%20",
            "flashsocket",
            "__proto__",
            "constructor",
            "toString",
        )
    ),
    "EIO=4&transport=polling&transport=websocket",
    "EIO=4&transport=polling&transport=polling",
    "EIO=4&Transport=polling",
    "%45IO=4&transport=polling",
    "&&EIO=4&&transport=polling&",
    "EIO=4;transport=polling",
    "EIO=4&transport=polling&t=abc",
    "EIO=4&transport=polling&%FF=%FF",
    "EIO=4&transport=polling&%ZZ=%",
    "EIO=4&transport=polling&a=1&a=2&b",
    "EIO=4&transport=polling&=x",
    *(f"EIO={eio}&transport=polling&b64={b64}" for eio in (3, 4) for b64 in ("1", "0", "", "true")),
    *(
        f"EIO={eio}&transport=polling&j={j}"
        for eio in (3, 4)
        for j in ("0", "5", "", "abc", "-1", "1.5", "007", "12345678901234567890", "1;alert(1)")
    ),
    "EIO=3&transport=polling&j=1&j=2",
    "EIO=3&transport=polling&j=1&b64=1",
    *(
        f"EIO=4&transport=polling&sid={sid}"
        for sid in ("", "nobody", "__proto__", "constructor", "%00", "a&sid=b")
    ),
    "EIO=3&transport=polling&sid=nobody",
    "EIO=9&transport=polling&sid=nobody",
    "EIO=4&transport=carrier&sid=nobody",
    "EIO=4&transport=polling&parser=msgpack",
    "EIO=4&transport=polling&token=%F0%9F%90%9D",
]

METHODS = ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"]

HEADERS: dict[str, list[str]] = {
    "an origin that is allowed": ["Origin: http://friend.example"],
    "an origin that is not": ["Origin: http://foe.example"],
    "origin null": ["Origin: null"],
    "an empty origin": ["Origin: "],
    "an origin with a port": ["Origin: http://friend.example:80"],
    "an origin in capitals": ["Origin: HTTP://FRIEND.EXAMPLE"],
    "an origin with a slash": ["Origin: http://friend.example/"],
    "two origins": ["Origin: http://friend.example", "Origin: http://friend.example"],
    "Accept of images": ["Accept: image/png"],
    "Accept-Encoding of anything": ["Accept-Encoding: *"],
    "a cookie": ["Cookie: io=abc; a=b"],
    "two cookies": ["Cookie: a=1", "Cookie: b=2"],
    "Connection close": ["Connection: close"],
    "Connection upgrade alone": ["Connection: Upgrade", "Upgrade: h2c"],
    "Expect 100-continue": ["Expect: 100-continue"],
    "a length of 0": ["Content-Length: 0"],
    "a header without value": ["X-Empty:"],
    "a header with tabs": ["X-Tabs:\tvalue\t"],
    "a header in Latin-1": ["X-Name: Z\xfcrich"],
    "a thousand letters": ["X-Long: " + "x" * 1000],
    "a hundred headers": [f"X-{n}: {n}" for n in range(100)],
    "one name three times": ["X-A: 1", "x-a: 2", "X-A: 3"],
    "user agent empty": ["User-Agent: "],
    "a range": ["Range: bytes=0-1"],
    "If-None-Match": ["If-None-Match: *"],
}

PATHS = ["/socket.io", "/socket.io/x", "/SOCKET.IO/", "/socket%2eio/", "/socket.io//", "/./socket.io/"]

WEBSOCKETS: dict[str, list[str]] = {
    "Upgrade in capitals": websocket_headers(upgrade="WebSocket"),
    "Upgrade of two": websocket_headers(upgrade="h2c, websocket"),
    "Upgrade of another": websocket_headers(upgrade="h2c"),
    "no Upgrade": websocket_headers(upgrade=None),
    "Connection of two": websocket_headers(connection="keep-alive, Upgrade"),
    "Connection in small letters": websocket_headers(connection="upgrade"),
    "Connection keep-alive": websocket_headers(connection="keep-alive"),
    "version 8": websocket_headers(sec_websocket_version="8"),
    "version 7": websocket_headers(sec_websocket_version="7"),
    "version 14": websocket_headers(sec_websocket_version="14"),
    "no version": websocket_headers(sec_websocket_version=None),
    "no key": websocket_headers(sec_websocket_key=None),
    "a short key": websocket_headers(sec_websocket_key="dGhlIHNhbXBsZQ=="),
    "a key that is no base64": websocket_headers(sec_websocket_key="????????????????????????"),
    "a key with bits behind its end": websocket_headers(sec_websocket_key="dGhlIHNhbXBsZSBub25jZR=="),
    "a subprotocol": websocket_headers(sec_websocket_protocol="v1.example"),
    "two subprotocols": websocket_headers(sec_websocket_protocol="v1.example, v2.example"),
    "an empty subprotocol": websocket_headers(sec_websocket_protocol=""),
    "a subprotocol that is no token": websocket_headers(sec_websocket_protocol="a b"),
    "a subprotocol twice": websocket_headers(sec_websocket_protocol="a, a"),
    "permessage-deflate": websocket_headers(sec_websocket_extensions="permessage-deflate"),
    "an unknown extension": websocket_headers(sec_websocket_extensions="x-webkit-deflate-frame"),
    "an extension that is no token": websocket_headers(sec_websocket_extensions="a b; ="),
    "an origin that is allowed": websocket_headers(origin="http://friend.example"),
    "an origin that is not": websocket_headers(origin="http://foe.example"),
    "a length of 0": websocket_headers(content_length="0"),
}

CASES: list[Case] = [
    *(request(f"query {query!r}", query) for query in QUERIES),
    request("no query", ""),
    *(request(f"method {method}", OPENING, method=method) for method in METHODS),
    *(
        request(f"method {method}, a foreign page", OPENING, "Origin: http://foe.example", method=method)
        for method in ("POST", "OPTIONS")
    ),
    request(
        "OPTIONS of a page",
        OPENING,
        "Origin: http://friend.example",
        "Access-Control-Request-Method: POST",
        method="OPTIONS",
    ),
    request("POST with a body", OPENING, method="POST", body=b"40"),
    request("GET with a body", OPENING, body=b"40"),
    request("HTTP/1.0", OPENING, version="1.0"),
    request("no Host", OPENING, host=""),
    *(request(f"header: {name}", OPENING, *lines) for name, lines in HEADERS.items()),
    *(request(f"path {path}", OPENING, path=path) for path in PATHS),
    *(websocket_request(f"WebSocket: {name}", WEBSOCKET, *lines) for name, lines in WEBSOCKETS.items()),
    *(
        websocket_request(f"WebSocket: query {query!r}", query)
        for query in (
            "transport=websocket",
            "EIO=3&transport=websocket",
            "EIO=2&transport=websocket",
            "EIO=5&transport=websocket",
            "EIO=4&transport=websocket&sid=nobody",
            "EIO=4&transport=websocket&sid=",
            "EIO=4&transport=polling",
            "EIO=4&transport=websocket&j=1",
            "EIO=4&transport=websocket&b64=1",
            "EIO=4&transport=websocket&transport=polling",
            "EIO=4",
        )
    ),
]
