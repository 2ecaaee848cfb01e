"""The sockets that a server listens on: a TCP port, a Unix socket, or sockets that systemd opened for it."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import ssl
import stat
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hornet.core.errors import SetupError
from hornet.web.settings import ALL_ADDRESSES, ServerSettings

BACKLOG = 4096
"""How many connections the kernel may hold while the loop is busy: after a restart, many come at once."""

MOST_FILES = 1_048_576
"""The limit of open files where the hard limit is "unlimited": Linux's own maximum (``fs.nr_open``)."""

FIRST_FD = 3
"""The first of the sockets that systemd hands over (``sd_listen_fds(3)``)."""

NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
"""The errors of an address family that is turned off."""

PORT_ATTEMPTS = 8
"""How often a free port is looked for that is free for both families."""

UNIX_MODE = 0o660
"""The Unix socket is open to its owner and its group; the user of the proxy is in that group."""


@contextmanager
def listening(
    settings: ServerSettings, environment: MutableMapping[str, str]
) -> Iterator[list[socket.socket]]:
    """Yield the bound sockets to serve on. Close them afterwards, and remove a Unix socket.

    Sockets that systemd hands over take the place of those that the settings name.

    Raises:
        SetupError: the address is in use, forbidden, or not this machine's.
    """
    inherited = take_inherited(environment)
    if inherited:
        with contextlib.ExitStack() as stack:
            for bound in inherited:
                stack.enter_context(contextlib.closing(bound))
                limit_sending(bound, settings.send_timeout_s)
            yield inherited
    elif settings.unix_socket:
        path = Path(settings.unix_socket)
        with contextlib.closing(bind_unix(path)) as bound:
            try:
                yield [bound]
            finally:
                path.unlink(missing_ok=True)
    else:
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(bound) for bound in bind_ports(settings)]
            for bound in sockets:
                limit_sending(bound, settings.send_timeout_s)
            yield sockets


def limit_sending(bound: socket.socket, timeout_s: float) -> None:
    """Have the kernel end a connection whose client takes none of the data that is sent for ``timeout_s``.

    Connections inherit this from the socket that they are accepted on. Neither the event loop nor aiohttp has
    a timeout for writing: a client that reads nothing could keep a response waiting for ever.

    Source: RFC 5482 (https://www.rfc-editor.org/rfc/rfc5482#section-2). Linux has the option.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is not None and bound.family != socket.AF_UNIX:
        bound.setsockopt(socket.IPPROTO_TCP, option, max(1, round(timeout_s * 1000)))


def is_activated(environment: Mapping[str, str]) -> bool:
    """Return whether systemd opened sockets for this process, and keeps them open for the next one."""
    return environment.get("LISTEN_PID") == str(os.getpid()) and environment.get("LISTEN_FDS", "").isdecimal()


def take_inherited(environment: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the listening sockets that systemd opened for this process. Child processes don't inherit them.

    Source: ``sd_listen_fds(3)``.

    Raises:
        SetupError: systemd handed over something that is no socket.
    """
    activated = is_activated(environment)
    count = environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_PID", "")
    environment.pop("LISTEN_FDNAMES", None)
    if not activated:
        return []
    inherited = []
    for number in range(FIRST_FD, FIRST_FD + int(count)):
        try:
            os.set_inheritable(number, False)
            inherited.append(socket.socket(fileno=number))
        except OSError as error:
            raise SetupError(f"LISTEN_FDS names descriptor {number}: {error.strerror}.") from None
    return inherited


def bind_unix(path: Path) -> socket.socket:
    """Listen on a Unix socket. Replace a socket that a dead process left behind.

    Raises:
        SetupError: another process listens there, or the socket can't be made.
    """
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            _remove_dead(path)
        bound.bind(str(path))
        path.chmod(UNIX_MODE)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "it exists already, and is no socket left by a Hornet that ended"
        raise SetupError(f"Can't listen on the Unix socket {path}: {reason}.") from None
    return bound


def _remove_dead(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def bind_ports(settings: ServerSettings) -> list[socket.socket]:
    """Listen on the port, on each address that the settings name: of both families by default.

    A family that this machine does not have is left out, as long as there is another. Each family has a
    socket of its own, so that addresses of IPv4 are never seen in their IPv6 form.

    Raises:
        SetupError: the port is busy or forbidden, or the address is not this machine's.
    """
    addresses = _find_addresses(settings)
    for attempt in range(1, PORT_ATTEMPTS + 1):
        try:
            return _bind_each(addresses, settings.port)
        except OSError as error:
            is_unlucky = error.errno == errno.EADDRINUSE and settings.port == 0  # free for one family alone
            if not is_unlucky or attempt == PORT_ATTEMPTS:
                raise SetupError(_why_not(settings, error)) from None
    raise AssertionError


def _find_addresses(settings: ServerSettings) -> list[tuple[int, str]]:
    """Return family and address of each socket to open."""
    if settings.host == ALL_ADDRESSES:
        return [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    try:
        answers = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:  # a label of more than 63 characters is a UnicodeError
        reason = getattr(error, "strerror", None) or "it is no host name"
        raise SetupError(f"The address {settings.host!r} is not known ({reason}).") from None
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in answers))


def _bind_each(addresses: Sequence[tuple[int, str]], port: int) -> list[socket.socket]:
    """Listen on the port at each address; port 0 takes one that is free at all of them.

    Raises:
        OSError: an address can't be listened on, other than one of a family that this machine does not have.
    """
    sockets: list[socket.socket] = []
    missing = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    with contextlib.ExitStack() as stack:
        for family, address in addresses:
            try:
                bound = _bind(family, (address, port), alone=len(addresses) == 1)
            except OSError as error:
                if error.errno not in NO_FAMILY:
                    raise
                missing = error
            else:
                sockets.append(stack.enter_context(bound))
                port = bound.getsockname()[1]
        if not sockets:
            raise missing
        stack.pop_all()
    return sockets


def _bind(family: int, address: tuple[str, int], *, alone: bool) -> socket.socket:
    """Listen on one address. A socket of IPv6 that is ``alone`` may take IPv4 too, as the system decides."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not alone:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _why_not(settings: ServerSettings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {settings.port} is in use by another program; stop it or choose another with --port."
    if error.errno == errno.EACCES:
        return (
            f"This user may not listen on port {settings.port}; "
            "choose one of 1024 or more with --port, and put a proxy before it."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"The address {settings.host} is not one of this machine's; choose another with --host."
    return f"Can't listen on {settings.host} port {settings.port}: {error.strerror}."


def raise_file_limit() -> None:
    """Let this process open as many files as its hard limit allows: each client takes one.

    The soft limit is often 1024, because programs that use ``select`` need that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = MOST_FILES if hard == resource.RLIM_INFINITY else hard
    if soft == resource.RLIM_INFINITY or soft >= limit:
        return
    with contextlib.suppress(ValueError, OSError):  # macOS has a limit of its own below "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def tls_context(settings: ServerSettings) -> ssl.SSLContext | None:
    """Return the certificate and key to serve TLS with; None if the settings name none.

    Raises:
        SetupError: the certificate or its key can't be read, or they don't belong together.
    """
    if not settings.tls_cert:
        return None
    for path in (settings.tls_cert, settings.tls_key):
        try:
            with open(path, "rb"):
                pass
        except OSError as error:
            raise SetupError(f"The TLS file {path} can't be read: {error.strerror}.") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # Without a password here, an encrypted key would make OpenSSL ask for one on the terminal.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except ssl.SSLError as error:
        reason = (error.reason or "not PEM").replace("_", " ").lower()
        raise SetupError(
            f"The TLS certificate {settings.tls_cert} and the key {settings.tls_key} can't be used "
            f"({reason}); Hornet takes PEM files that belong together, the key unencrypted."
        ) from None
    return context
