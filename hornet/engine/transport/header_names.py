"""Names of headers, each kept once for all sessions.

A session keeps the headers of its request, and most sessions have the same dozen names. Only names of this
list are shared. A client may send any other name, and names that are never let go of, as ``sys.intern`` keeps
them in Python 3.12, would fill the memory.
"""

from __future__ import annotations

NAMES = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "cf-visitor",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "dnt",
    "forwarded",
    "host",
    "if-modified-since",
    "if-none-match",
    "origin",
    "pragma",
    "priority",
    "proxy-connection",
    "purpose",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-storage-access",
    "sec-fetch-user",
    "sec-gpc",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "true-client-ip",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-client-ip",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-original-host",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
    "x-scheme",
]
"""What browsers, clients and proxies send (RFC 9110, https://www.rfc-editor.org/rfc/rfc9110#section-18.4)."""

_SHARED = {name: name for name in NAMES}


def lower_name(name: str) -> str:
    """Return a name in lower case: the same object each time for a name of the list."""
    lower = name.lower()
    return _SHARED.get(lower, lower)
