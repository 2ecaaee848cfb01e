"""The order of the house, checked from its sources: who imports whom, by which door, and where codes are."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hornet.core import codes

ROOT = Path(__file__).parent.parent / "hornet"

BELOW_APP = {"core", "engine", "broker", "flows", "web", "connector", "metrics", "config"}

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "engine": {"core"},
    "broker": {"core"},
    "metrics": set(),
    "flows": {"core", "engine", "broker", "metrics"},
    "web": {"core", "flows"},
    "connector": {"core", "broker.history_scripts", "broker.keys", "broker.user_commands"},
    "config_values": {"core"},
    "config": {
        "core",
        "config_values",
        "broker.settings",
        "engine.settings",
        "flows.settings",
        "flows.auth.settings",
        "flows.recovery.settings",
        "web.settings",
        "web.api.settings",
    },
    "config_doc": {"core", "config"},
    "plugins": {"core", "flows", "broker.topic_listeners"},
    "app": BELOW_APP | {"_version"},
    "process": BELOW_APP | {"_version", "app"},
    "cli": BELOW_APP | {"_version", "app", "config_doc", "process"},
}
"""Package or module of Hornet -> the packages and modules of Hornet that it may import, beside itself."""

WINGS = {
    "engine": ("wire", "transport", "rooms", "socketio", "engine"),
}
"""Package -> its wings, lowest first: each may import those before it. Other modules stand below them."""

ONLY_IN = {
    "socketio": "engine",
    "engineio": "engine",
    "redis": "broker connector cli",
    "prometheus_client": "metrics",
}
"""Third-party package -> the parts of Hornet that may know it."""

CORE_FORBIDDEN = {"asyncio", "socket", "time", "datetime", "threading", "subprocess", "os"}

MODULES = sorted(ROOT.rglob("*.py"))
FILES = [path for path in MODULES if path.name not in ("__init__.py", "__main__.py", "_version.py")]


def name_of(path: Path) -> str:
    """The dotted name of a module, below ``hornet``; "" for ``hornet`` itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}

COMPILED = "engine.transport._direct_write"
"""No Python file: it may be missing, and imports nothing."""


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> set[str]:
    """What a module imports, wherever it does: in a function, or for type checkers alone, as well."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def imported_modules(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each module of Hornet that a module imports, with the imported name ("" for the whole module)."""
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "hornet":
            if rest in NAMES:
                yield rest, ""
            else:
                module, _, attribute = rest.rpartition(".")
                if module == COMPILED:
                    continue
                assert module in NAMES, f"{path} imports {name}, which is nowhere"
                yield module, attribute


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_a_module_imports_only_what_its_layer_allows(path: Path) -> None:
    part = part_of(path)
    for name in imports(path):
        top, _, rest = name.partition(".")
        if top == "hornet":
            allowed = MAY_IMPORT[part] | {part}
            assert any(rest == layer or rest.startswith(f"{layer}.") for layer in allowed), (
                f"{part} must not import {name}"
            )
        elif top in ONLY_IN:
            assert part in ONLY_IN[top].split(), f"{part} must not import {top}"
        elif part == "core":
            assert top not in CORE_FORBIDDEN, f"core does no I/O and knows no clock, so no {top}"


def test_every_package_is_in_the_table() -> None:
    assert {part_of(path) for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("package", WINGS)
def test_a_wing_imports_only_the_wings_below_it(package: str) -> None:
    wings = WINGS[package]
    heights = {f"{package}.{wing}": height for height, wing in enumerate(wings, 1)}
    for path in FILES:
        if part_of(path) != package:
            continue
        height = height_of(name_of(path), heights)
        for module, _ in imported_modules(path):
            assert height_of(module, heights) <= height, (
                f"{name_of(path)} imports {module}, which is above it"
            )


def height_of(module: str, heights: dict[str, int]) -> int:
    return heights.get(".".join(module.split(".")[:2]), 0)


def test_no_files_import_each_other_in_a_circle() -> None:
    arrows = {name: {module for module, _ in imported_modules(path)} for name, path in NAMES.items()}
    assert [circle for circle in circles(arrows) if len(circle) > 1] == []


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected groups of a graph (Tarjan's algorithm)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        path.append(node)
        for target in arrows[node]:
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in path:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            at = path.index(node)
            groups.append(sorted(path[at:]))
            del path[at:]

    for node in arrows:
        if node not in index:
            visit(node)
    return groups


def public_names(package: str) -> set[str] | None:
    """``__all__`` of a package; None where it has none, and its modules are what is public."""
    for node in tree_of(NAMES[package]).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return set(names)
    return None


CLOSED = {
    name: names
    for name, path in NAMES.items()
    if name and path.name == "__init__.py" and (names := public_names(name)) is not None
}
"""Packages whose modules are their own: others take what ``__all__`` names, from the package itself."""


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_closed_package_is_entered_by_its_public_names_only(path: Path) -> None:
    inside = name_of(path)
    for module, name in imported_modules(path):
        for package, public in CLOSED.items():
            if inside == package or inside.startswith(f"{package}.") or module.endswith(".settings"):
                continue  # settings are public wherever they are: the configuration is made of them
            if module == package:
                assert name in public, f"{name} is not in hornet.{package}.__all__"
            assert not module.startswith(f"{package}."), f"import it from hornet.{package}, not {module}"


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_no_module_imports_a_private_name_of_another(path: Path) -> None:
    for module, name in imported_modules(path):
        assert not name.startswith("_") or name.startswith("__"), f"{module}.{name} is private"


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for name, path in NAMES.items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(name)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


REFUSED_WITH_A_CODE = {
    "CommandError",
    "InvalidPublish",
    "Malformed",
    "OverLimit",
    "PeerError",
    "Problem",
    "RefusedCredentials",
    "RefusedEvent",
}
"""Errors whose first argument is a code. A ``RefusedTrigger`` has the numbers of pushy instead."""


@pytest.mark.parametrize("path", MODULES, ids=ids)
def test_a_code_is_written_in_its_table_only(path: Path) -> None:
    """Faults are ordinary words in lower case, so those are looked for only where a code is expected."""
    if path == ROOT / "core" / "codes.py":
        return
    registered = {name for table in codes.AUDIENCES for name in table if name.isupper()}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant):
            assert node.value not in registered, f"line {node.lineno}: write codes.{node.value}"
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            is_literal = isinstance(node.args[0], ast.Constant)
            assert not (called in REFUSED_WITH_A_CODE and is_literal), (
                f"line {node.lineno}: add the code of this {called} to hornet/core/codes.py"
            )
        elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
            counted = node.value.attr in ("malformed", "refused", "refusals")
            assert not (counted and isinstance(node.slice, ast.Constant)), f"line {node.lineno}: count a code"
