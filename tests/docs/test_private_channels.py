"""The signing programs of docs/howto/private-channels.md make the signatures that the page prints."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hornet.core.signatures import is_signed
from tests.docs.markdown import ROOT, blocks
from tests.e2e.javascript import NODE

PAGE = ROOT / "docs" / "howto" / "private-channels.md"
TEXT = PAGE.read_text(encoding="utf-8")
SECRET, CONNECTION, CHANNEL = re.findall(
    r"With the secret `(.+)`, the connection `(.+)` and the channel `(.+)`", TEXT
)[0]
VECTORS = [
    (None if presence == "none" else presence.strip("`"), signature)
    for presence, signature in re.findall(
        r"^\| (none|`\{.*\}`) \| `(hmac-sha256:\w+)` \|$", TEXT, re.MULTILINE
    )
]
PROGRAMS = {
    "python": (sys.executable, "sign.py"),
    "js": (str(NODE), "sign.mjs"),
    "ruby": ("ruby", "sign.rb"),
    "php": ("php", "sign.php"),
    "go": ("go", "run", "sign.go"),
}


def test_the_page_prints_a_signature_with_and_without_presence_data() -> None:
    assert [presence is None for presence, _ in VECTORS] == [True, False]
    for presence, signature in VECTORS:
        assert is_signed(signature, [SECRET], CONNECTION, CHANNEL, presence)


@pytest.mark.parametrize(("presence", "signature"), VECTORS)
@pytest.mark.parametrize("language", PROGRAMS)
def test_a_program_of_the_page_makes_that_signature(
    language: str, presence: str | None, signature: str, tmp_path: Path
) -> None:
    command = PROGRAMS[language]
    if not shutil.which(command[0]):
        pytest.skip(f"no {language} on this machine")
    [program] = [block.text for block in blocks(PAGE, language) if "socket.io-client" not in block.text]
    (tmp_path / command[-1]).write_text(program, encoding="utf-8")
    shown = [] if presence is None else [presence]
    done = subprocess.run(
        [*command, SECRET, CONNECTION, CHANNEL, *shown],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    wanted = {"channel": CHANNEL, "signature": signature}
    assert json.loads(done.stdout) == (wanted if presence is None else {**wanted, "presence": presence})
