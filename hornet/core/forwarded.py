"""What proxies say about whom they speak for: ``X-Forwarded-For``, and ``Forwarded`` of RFC 7239.

Each proxy appends what it saw at the right end. All to the left of it came with the request, so it may be a
client's invention: both headers are read from the right, and what stands left of a malformed entry is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE = r"[][:/!#$%&'*+.^_`|~0-9A-Za-z-]+"  # proxies write [::1] and 1.2.3.4:80 without the quotes, too
_QUOTED = r"\"(?:[^\"\\]|\\.)*\""
_PAIR = re.compile(rf"({_TOKEN})=({_VALUE}|{_QUOTED})")
_ELEMENT = re.compile(rf"{_PAIR.pattern}(?:[ \t]*;[ \t]*{_PAIR.pattern})*")
_NODE = re.compile(r"\"?(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::\w+)?\"?")


def forwarded_for(text: str) -> Iterator[str]:
    """The hops of ``X-Forwarded-For``, from the right; not yet known to be addresses."""
    for hop in reversed(text.split(",")):
        if hop := hop.strip():
            yield hop


def forwarded(text: str) -> Iterator[str]:
    """The ``for`` of each element of ``Forwarded``, from the right, without brackets and port.

    An element ends at the last comma behind which all is well-formed: a quote that a client left open can't
    swallow what the proxy wrote behind it. An element that names nobody by address is an empty hop.
    """
    while text := text.rstrip(" \t,"):
        cut = len(text)
        while True:
            cut = text.rfind(",", 0, cut)
            element = text[cut + 1 :].strip(" \t")
            if _ELEMENT.fullmatch(element):
                break
            if cut < 0:
                return
        yield _address(element)
        text = text[: max(cut, 0)]


def _address(element: str) -> str:
    for name, value in _PAIR.findall(element):
        if name.lower() == "for":
            node = _NODE.fullmatch(value)
            return (node[1] or node[2]) if node else ""
    return ""


HOPS = {"X-Forwarded-For": forwarded_for, "Forwarded": forwarded}
"""The headers that may be believed, and how each is read."""
