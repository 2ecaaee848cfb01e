"""Authenticators of installed packages: asked if the configuration names them, and not else."""

import sys
from pathlib import Path

import pytest

from hornet.core.errors import SetupError
from hornet.flows.auth.plugins import load_authenticators
from tests.flows.conftest import StartNode

CODE = """
from hornet.plugins import Authenticator, Grant

class Open(Authenticator):
    def offer(self, shown):
        return shown.fields.get("name")

    async def check(self, claim):
        return Grant(claim)

def broken():
    raise OSError("no key")
"""
ENTRY_POINTS = """
[hornet.authenticators]
open = an_installed_authenticator:Open
broken = an_installed_authenticator:broken
absent = an_installed_authenticator:absent
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as pip leaves it: a module, and the entry points beside it."""
    (tmp_path / "an_installed_authenticator.py").write_text(CODE)
    facts = tmp_path / "an_installed_authenticator-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: an-installed-authenticator\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "an_installed_authenticator", raising=False)


@pytest.mark.usefixtures("installed")
async def test_an_authenticator_that_the_configuration_names_is_asked(start_node: StartNode) -> None:
    running = await start_node(authenticators="open")
    client = await running.connect(auth={"name": "ana"})
    assert (await client.message())["type"] == "connected"
    assert running.session(client).user == "ana"


@pytest.mark.usefixtures("installed")
async def test_an_authenticator_that_is_merely_installed_is_not_asked(start_node: StartNode) -> None:
    running = await start_node()
    client = await running.connect()
    await client.emit("message", {"name": "ana"})
    assert (await client.message())["error"] == "WRONG_PARAMETERS"


@pytest.mark.usefixtures("installed")
def test_a_name_that_is_not_installed_is_an_error_that_says_what_is() -> None:
    with pytest.raises(SetupError, match=r"'opne' is installed \(there is: absent, broken, open\)"):
        load_authenticators(["opne"])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "reason"), [("broken", "no key"), ("absent", "absent")])
def test_an_authenticator_that_cant_be_made_is_an_error(name: str, reason: str) -> None:
    with pytest.raises(SetupError, match=reason):
        load_authenticators([name])
