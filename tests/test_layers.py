"""Who may import whom, checked from the imports themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "hornet"

BELOW_APP = {"core", "engine", "broker", "flows", "web", "connector", "metrics", "config"}

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "engine": {"core"},
    "broker": {"core"},
    "metrics": set(),
    "flows": {"core", "engine", "broker", "metrics"},
    "web": {"core", "flows"},
    "plugins": {"core", "flows"},
    "connector": {"core", "broker.keys", "broker.user_commands"},
    "config": {
        "core",
        "broker.settings",
        "engine.settings",
        "flows.settings",
        "flows.auth.settings",
        "web.settings",
        "web.api.settings",
    },
    "config_doc": {"config"},
    "app": BELOW_APP | {"_version"},
    "process": BELOW_APP | {"_version", "app"},
    "cli": BELOW_APP | {"_version", "config_doc", "process"},
}
"""Package or module of ours -> what it may import of ours, itself aside."""

ONLY_IN = {
    "socketio": "engine",
    "engineio": "engine",
    "redis": "broker connector cli",
    "prometheus_client": "metrics",
}
"""Third-party package -> the parts of Hornet that may know it."""

CORE_FORBIDDEN = {"asyncio", "socket", "time", "datetime", "threading", "subprocess", "os"}

FILES = sorted(
    path for path in ROOT.rglob("*.py") if path.name not in ("__init__.py", "__main__.py", "_version.py")
)


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_layer_allows(path: Path) -> None:
    part = part_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "hornet":
            allowed = MAY_IMPORT[part] | {part}
            assert any(rest == one or rest.startswith(f"{one}.") for one in allowed), (
                f"{part} must not import {name}"
            )
        elif top in ONLY_IN:
            assert part in ONLY_IN[top].split(), f"{part} must not import {top}"
        elif part == "core":
            assert top not in CORE_FORBIDDEN, f"core does no I/O and knows no clock, so no {top}"


def test_every_package_is_in_the_table() -> None:
    assert {part_of(path) for path in FILES} == set(MAY_IMPORT)
