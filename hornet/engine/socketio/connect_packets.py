"""What a client asks for with its CONNECT to the main namespace, and the answer to it.

socket.io-client from 4.6 on keeps two texts of a server that lets it recover: the ``pid`` of that answer, and
the last offset. When it connects again, they stand in its ``auth`` payload, in front of the application's own
fields (https://socket.io/docs/v4/connection-state-recovery).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hornet.core.history import parse_offset
from hornet.engine.transport.ids import ID_CHARS
from hornet.engine.wire.msgpack_packets import dump_msgpack
from hornet.engine.wire.packets import SioPacket, Type
from hornet.engine.wire.payloads import Packet
from hornet.engine.wire.prepared import MSGPACK, WireFormat

IDS_PER_PID = 2
"""A pid is as long as two ids. It opens a session for its holder, so it has 240 random bits."""

_PID = re.compile(rf"[A-Za-z0-9_-]{{{IDS_PER_PID * ID_CHARS}}}")
_WISHES = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class RecoveryRequest:
    """The wish of a client to recover: now, if it has a ``pid``, and when it has lost its connection again.

    ``auth`` is the payload as the application sent it. ``offset`` is empty where the client has none that a
    node of Hornet made.
    """

    auth: object | None
    pid: str = field(default="", repr=False)
    offset: str = ""


def parse_recovery(
    auth: object | None, query: Mapping[str, Sequence[str]], *, by_default: bool, foreign: Counter[str]
) -> RecoveryRequest | None:
    """Return the client's wish to recover; None where it has none.

    The field ``recover`` of ``auth`` decides, else that of the query, else ``by_default``. A pid or an offset
    that is none of Hornet's is left out, and counted in ``foreign``: the client may come from another server.
    """
    fields = auth if isinstance(auth, dict) else {}
    wish = fields.get("recover")
    if not isinstance(wish, bool):
        values = query.get("recover")
        wish = _WISHES.get(values[-1], by_default) if values else by_default
    if not wish:
        return None
    pid, offset = fields.get("pid"), fields.get("offset")
    if pid is None:
        return RecoveryRequest(auth)
    rest = {name: value for name, value in fields.items() if name not in ("pid", "offset")} or None
    if not isinstance(pid, str) or _PID.fullmatch(pid) is None:
        foreign["pid"] += 1
        return RecoveryRequest(rest)
    return RecoveryRequest(rest, pid, _known_offset(offset, foreign))


def _known_offset(offset: object, foreign: Counter[str]) -> str:
    if offset is None or offset == "":  # the client has heard no event yet, or only some without an offset
        return ""
    try:
        return str(parse_offset(offset))
    except ValueError:
        foreign["offset"] += 1
        return ""


def dump_connected(sid: str, pid: str, *, wire_format: WireFormat, protocol: int) -> Packet:
    """Dump the answer to a CONNECT. It is sent once, so it takes no ``Prepared``; an id needs no escapes."""
    if wire_format & MSGPACK:
        data = {"sid": sid, "pid": pid} if pid else {"sid": sid} if protocol == 4 else None
        return dump_msgpack(SioPacket(Type.CONNECT, data))
    if pid:
        return f'40{{"sid":"{sid}","pid":"{pid}"}}'
    return f'40{{"sid":"{sid}"}}' if protocol == 4 else "40"
