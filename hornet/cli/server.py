"""``hornet-server``: runs a node."""

from __future__ import annotations

from collections.abc import Sequence

from hornet._version import __version__
from hornet.cli.parsing import Parser, add_options, load
from hornet.cli.running import EXIT_FAILED, EXIT_USAGE, complain, run_politely
from hornet.core.errors import SetupError

PROGRAM = "hornet-server"

EXAMPLES = """\
examples:
  hornet-server                                  try Hornet; it starts its own Valkey where no Redis runs
  hornet-server --redis redis://10.0.0.5:6379 --no-demo --allowed-origins https://www.example.com
  hornet-server --config /etc/hornet.toml        read options from a file
  hornet check-config --config /etc/hornet.toml  look for mistakes first, and start nothing

Each option may also be set in the environment (HORNET_AUTH_TIMEOUT for --auth-timeout) or in the file named
by --config (auth_timeout = 20); flags win, then the environment.
"""


def serve(argv: Sequence[str] | None = None) -> int:
    """Run ``hornet-server``, a node, until it is told to stop. Return the exit code."""
    return run_politely(lambda: _serve(argv))


def server_parser() -> Parser:
    """Return the parser of ``hornet-server``, with an option for each field of the configuration."""
    parser = Parser(
        prog=PROGRAM,
        usage="hornet-server [--config FILE] [OPTION ...]",
        description="Hornet: a Socket.IO-compatible realtime pub/sub server.\n"
        "Without options it listens on port 8187 and uses the Redis on this machine, or starts its own.\n\n"
        f"{EXAMPLES}",
    )
    parser.add_argument("--version", action="version", version=f"Hornet v{__version__}")
    add_options(parser)
    return parser


def _serve(argv: Sequence[str] | None) -> int:
    given = vars(server_parser().parse_args(argv))
    try:
        config = load(given)
    except SetupError as error:
        complain(PROGRAM, error)
        return EXIT_USAGE
    from hornet.process.server import run_server  # the server is loaded only where it is run

    try:
        return run_server(config, lambda: load(given))
    except SetupError as error:
        complain(PROGRAM, error)
        return EXIT_FAILED
