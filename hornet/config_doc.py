"""The configuration reference, made from the options that the code declares."""

from __future__ import annotations

from itertools import groupby

from hornet.config import Option, options

TITLES = {
    "server": "Server",
    "redis": "Redis",
    "sessions": "Sessions",
    "authentication": "Authentication",
    "backend": "Backend",
    "users": "Users",
    "channels": "Channels",
    "commands": "Commands",
    "limits": "Limits of a session",
    "engine": "Socket.IO",
    "api": "HTTP API",
    "log": "Log",
}

HEAD = """<!-- Made by docs/generate.py from the options in the code. Change them there. -->

# Configuration

Each option has one name in three places. What is further right wins:

    default  <  file (--config)  <  environment  <  command line

| place | how `auth_timeout` looks there |
|---|---|
| TOML file | `auth_timeout = 20` |
| JSON file | `"auth_timeout": 20` |
| environment | `HORNET_AUTH_TIMEOUT=20` |
| command line | `--auth-timeout 20` |

The file is named by `--config` or by `HORNET_CONFIG`. It is JSON if its name ends in `.json`, else TOML.
Options stand at its top level:

```toml
port = 8187
redis = "redis://127.0.0.1:6379"
demo = false
allowed_origins = ["https://www.example.com"]
```

A name that Hornet does not know is an error, in the file, on the command line, and in the environment for
whatever starts with `HORNET_`.

Lists are joined by commas in the environment and on the command line. Switches are `true` or `false` in
files, a pair of flags on the command line, and in the environment one of `1`, `true`, `yes`, `on` or `0`,
`false`, `no`, `off`.

`hornet check-config` takes the same options, file and environment, says what is wrong with them or what they
change, and starts nothing. `hornet config-doc` prints this page.

On SIGHUP, or when [the API](../howto/http-api.md#read-the-configuration-again) is asked to, a server reads
the file again. Options marked *reloads* take effect at once, and no connection is lost. For the others the
log says that they need a restart. A file that is wrong changes nothing.
"""


def render() -> str:
    """Return the whole page, in Markdown."""
    parts = [HEAD]
    for section, members in groupby(options(), key=lambda option: option.section):
        parts.append(f"## {TITLES[section]}\n")
        parts.extend(_entry(option) for option in members)
    return "\n".join(parts)


def _entry(option: Option) -> str:
    flag = f"{option.flag}`, `--no-{option.flag.removeprefix('--')}" if option.kind is bool else option.flag
    kind = f" · {_unit(option)}" if option.unit else ""
    reloads = " · reloads" if option.reloads else ""
    facts = f"`{flag}` · `{option.variable}`{kind} · default: {_default(option)}{reloads}"
    return f"### `{option.name}`\n\n{option.doc}\n\n{facts}\n"


def _unit(option: Option) -> str:
    return {"s": "seconds"}.get(option.unit, option.unit)


def _default(option: Option) -> str:
    if option.kind is bool:
        return "on" if option.default else "off"
    text = ",".join(option.default) if option.is_list else f"{option.default}".removesuffix(".0")
    return f"`{text}`" if text else "none"
