"""The host names under which pages are shown: a defence against DNS rebinding.

A page of a stranger may have the name of its own server lead to Hornet's address. The browser then takes
Hornet's pages for those of the stranger, whose scripts may read them. The ``Host`` of such a request is the
stranger's name. An address in ``Host`` is no sign of that, because nobody can redirect an address.

The probes under ``/health/`` are answered under any name: their answer is one word of a fixed list, and a
probe that is refused would take a node out of service.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from hornet.core.addresses import Network, is_local_name, parse_ip
from hornet.core.limits import Throttle
from hornet.web.local_requests import (
    host_name,
    is_forwarded,
    is_from_loopback,
    is_from_proxy,
)

log = logging.getLogger(__name__)

WARN_EVERY_S = 10.0
"""How often the log says that a host was refused."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HostGuard:
    """Decides by the ``Host`` of a request whether a page is shown.

    Where hosts are configured, no other is good. Where none is, the requests of browsers on this machine are
    checked: it is here that a server listens which is meant for this machine alone.
    """

    def __init__(
        self, *, allowed_hosts: Sequence[str], trusted_proxies: Sequence[Network], count: Callable[[], None]
    ) -> None:
        """``count`` is called for each request that is refused."""
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._trusted = trusted_proxies
        self._count = count
        self._warnings = Throttle(WARN_EVERY_S)

    def guard(self, handler: Handler) -> Handler:
        """Return ``handler`` for the requests that name a good host, and a refusal for all others."""

        async def check(request: web.Request) -> web.StreamResponse:
            if self._is_good(request):
                return await handler(request)
            self._count()
            if self._warnings.is_due(asyncio.get_running_loop().time()):
                log.warning(
                    "Refused to show %s under a host name that is not known. If it is a name of this "
                    "server, add it to --allowed-hosts.",
                    request.path,
                )
            raise web.HTTPForbidden(
                text="The Host header is no known name of this server; --allowed-hosts names them\n"
            )

        return check

    def is_local_visitor(self, request: web.Request) -> bool:
        """Return whether a person or program on this machine asks, and no proxy for somebody else."""
        return (
            is_from_loopback(request)
            and not is_from_proxy(request, self._trusted)
            and not is_forwarded(request)
            and is_local_name(_host_of(request))
        )

    def _is_good(self, request: web.Request) -> bool:
        host = _host_of(request)
        if host in self._allowed or is_local_name(host) or _is_address(host):
            return True
        if self._allowed:
            return False
        return not is_from_loopback(request) or is_from_proxy(request, self._trusted) or is_forwarded(request)


def _host_of(request: web.Request) -> str:
    return host_name(f"//{request.headers.get('Host', '')}").lower().removesuffix(".")


def _is_address(host: str) -> bool:
    try:
        parse_ip(host)
    except ValueError:
        return False
    return True
