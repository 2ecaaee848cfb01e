"""The configuration reference, made from the options that the code declares."""

from __future__ import annotations

from itertools import groupby

from hornet.config import options
from hornet.core.options import Option

TITLES = {
    "server": "Server",
    "redis": "Redis",
    "history": "History",
    "sessions": "Sessions",
    "authentication": "Authentication",
    "backend": "Backend",
    "users": "Users",
    "channels": "Channels",
    "commands": "Plug-ins and commands",
    "recovery": "Sessions that come back",
    "limits": "Limits of a session",
    "engine": "Socket.IO and connections",
    "api": "HTTP API",
    "log": "Log",
}

HEAD = """<!-- Made by docs/generate.py from the options in the code. Change them there. -->

# Configuration

You can set each option in three places, under the same name. A place further right wins:

    default  <  file (--config)  <  environment  <  command line

| place | how `auth_timeout` looks there |
|---|---|
| TOML file | `auth_timeout = 20` |
| JSON file | `"auth_timeout": 20` |
| environment | `HORNET_AUTH_TIMEOUT=20` |
| command line | `--auth-timeout 20` |

`--config` or `HORNET_CONFIG` names the file. Its format is JSON if the name ends in `.json`, and TOML
otherwise. Options stand at the top level:

```toml
port = 8187
redis = "redis://127.0.0.1:6379"
demo = false
allowed_origins = ["https://www.example.com"]
```

Hornet refuses to start if it does not know a name in the file, a flag, or a variable that starts with
`HORNET_`. The variables `HORNET_URL` and `HORNET_KEY` are for [the command `hornet`](cli.md#hornet).

A list is an array in a file, and text with commas in the environment and on the command line. A switch is
`true` or `false` in a file, one of two flags on the command line, and in the environment one of `1`, `true`,
`yes`, `on` or `0`, `false`, `no`, `off`.

`hornet check-config` takes the same options, file and environment. It prints what is wrong with them, or
which options are set, and starts nothing. `hornet config-doc` prints this page.

On SIGHUP, or on a request to [the API](../howto/http-api.md#read-the-configuration-again), a server reads the
file again. Options marked *reloads* take effect at once, and no connection is lost. The log names the other
options that changed: they need a restart. A file with an error changes nothing.
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
    if option.is_list:
        text = ",".join(option.default)
    else:
        text = str(option.default)
        if option.kind is float:
            text = text.removesuffix(".0")
    return f"`{text}`" if text else "none"
