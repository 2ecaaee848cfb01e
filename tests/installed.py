"""Packages as pip leaves them, without pip: a module, and the entry points beside it."""

from configparser import ConfigParser
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
    """The same with the example package, and the entry points that its own setup.cfg declares."""
    setup = ConfigParser()
    setup.read(EXAMPLE / "setup.cfg")
    declared = setup["options.entry_points"]
    groups = "".join(f"[{group}]{declared[group]}\n" for group in declared)
    code = (EXAMPLE / "hornet_example_commands.py").read_text()
    return install(folder, setup["metadata"]["name"], code, groups)
