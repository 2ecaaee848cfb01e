"""What both commands take: the options of a configuration, and a parser with short answers to mistakes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hornet.cli.running import EXIT_USAGE

if TYPE_CHECKING:
    from hornet.config import Config
    from hornet.core.options import Option


class Parser(argparse.ArgumentParser):
    """A parser that reports an error as one sentence; argparse would print the whole usage before it.

    ``flags`` are the flags that it proposes in place of an unknown one.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.flags: list[str] = []

    def parse_args(  # type: ignore[override]  # a namespace of its own type is not needed here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse the words of a command line; an unknown one ends the program with a hint."""
        arguments, unknown = self.parse_known_args(args, namespace)
        if unknown:
            meant = get_close_matches(unknown[0].partition("=")[0], self.flags, 1)
            hint = f"; did you mean {meant[0]}" if meant else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return arguments

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see {self.prog} --help.\n")


def add_config_option(parser: Parser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="TOML or JSON file with options (default: HORNET_CONFIG)"
    )
    parser.flags.append("--config")


def add_options(parser: Parser) -> None:
    """Add ``--config``, and a flag for each option of the configuration."""
    from hornet.config import options

    add_config_option(parser)
    groups: dict[str, Any] = {}
    for option in options():
        parser.flags.append(option.flag)
        if option.section not in groups:
            groups[option.section] = parser.add_argument_group(option.section)
        text = f"{option.doc} (default: {_shown_default(option)})".replace("%", "%%")
        if option.kind is bool:
            parser.flags.append(option.flag.replace("--", "--no-", 1))
            groups[option.section].add_argument(
                option.flag, action=argparse.BooleanOptionalAction, default=None, help=text, dest=option.name
            )
        else:
            groups[option.section].add_argument(
                option.flag, metavar=option.unit.upper() or "VALUE", help=text, dest=option.name
            )


def _shown_default(option: Option) -> str:
    if option.kind is bool:
        return "on" if option.default else "off"
    text = (
        ",".join(option.default)
        if option.is_list
        else format(option.default, "g" if option.kind is float else "")
    )
    return f"{text} {option.unit}" if text and option.unit in ("s", "bytes") else text or "none"


def given_flags(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the configuration that stand on the command line, by name."""
    from hornet.config import options

    return {option.name: arguments[option.name] for option in options() if arguments[option.name] is not None}


def load(arguments: Mapping[str, Any]) -> Config:
    """Read the file and the environment (again), and add the flags that were given.

    Raises:
        SetupError: the configuration is wrong.
    """
    from hornet.config import load_config

    return load_config(given_flags(arguments), os.environ, arguments["config"])
