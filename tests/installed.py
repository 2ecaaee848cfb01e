"""Packages as pip leaves them, without pip: a module, and the entry points beside it."""

import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "hornet_example_commands"


def install(folder: Path, package: str, code: str, entry_points: str) -> str:
    """Put a package of one module into a folder of ``sys.path``; returns the module's name."""
    module = package.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    facts = folder / f"{module}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(entry_points)
    return module


def install_example(folder: Path) -> str:
    """The same with the example package, and the entry points that its own pyproject.toml declares."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    groups = "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
    code = (EXAMPLE / "hornet_example_commands.py").read_text()
    return install(folder, project["name"], code, groups)
