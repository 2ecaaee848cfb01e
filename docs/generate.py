"""Writes docs/reference/configuration.md from the options that the code declares.

Run ``python docs/generate.py`` after changing an option; a test fails while the page is stale.
"""

from __future__ import annotations

from pathlib import Path

from hornet.config_doc import render

PAGE = Path(__file__).parent / "reference" / "configuration.md"

if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
