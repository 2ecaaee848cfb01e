"""``hornet check-config``: finds what a start, or the first client, would find wrong in a configuration."""

from __future__ import annotations

import argparse
import os

from hornet.broker.client import parse_url
from hornet.cli.parsing import given_flags, load
from hornet.config import find_sources, options
from hornet.core.options import Option


def check_config(arguments: argparse.Namespace) -> str:
    """Return the options that differ from their defaults, one in each line, with the place of each value.

    Raises:
        SetupError: a server would not start with this configuration, or would let nobody in.
    """
    from hornet.app import create_app  # only this command builds a node, and connects it to nothing
    from hornet.process.listen import tls_context

    given = vars(arguments)
    config = load(given)
    create_app(config)
    tls_context(config.server)
    sources = find_sources(given_flags(given), os.environ, given["config"])
    lines = []
    for option in options():
        value = getattr(getattr(config, option.section), option.field)
        if value != option.default:
            lines.append(f"{option.name} = {show_value(option, value)}  ({sources[option.name]})")
    return "\n".join(lines or ["All options have their default."])


def show_value(option: Option, value: object) -> str:
    """Return a value as a person may see it: a secret as ``***``, the URL of Redis without its password."""
    if option.name == "redis":
        return str(parse_url(str(value)))
    if option.secret:
        return "***"
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
