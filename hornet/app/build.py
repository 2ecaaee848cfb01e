"""What decides the speed of a node: its event loop, and whether the compiled part is in use."""

from __future__ import annotations

import asyncio
import platform

from hornet._version import __version__
from hornet.engine import Engine


def build_info(engine: Engine) -> dict[str, str]:
    """Return the labels of ``hornet_build_info``. The loop is the running one; "none" where none runs."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "loop": _loop_name(),
        "compiled": "yes" if engine.is_compiled else "no",
    }


def speed_advice(engine: Engine) -> str:
    """Return in one line what the node runs on, and what would be faster."""
    loop = _loop_name()
    advice = "uvloop" if loop == "uvloop" else f"{loop} (uvloop is faster: install the extra 'speed')"
    if engine.is_compiled:
        return f"{advice}, compiled part"
    reason = "it needs a C compiler at installation" if engine.settings.compiled else "turned off"
    return f"{advice}, no compiled part ({reason})"


def _loop_name() -> str:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return "none"
    return type(loop).__module__.partition(".")[0]
