"""Each page by itself: its links lead somewhere, its code is code, it names nothing private."""

import ast
import importlib
import json
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hornet.connector import AsyncConnector, Connector
from tests.docs.markdown import ROOT, Block, all_blocks, anchors, blocks, code_spans, links, page_name, pages
from tests.e2e.waiting import DEADLINE_S

LANGUAGES = {
    *("caddy", "dart", "dockerfile", "ini"),
    *("go", "haproxy", "html", "java", "js", "json", "jsx", "nginx", "php"),
    *("python", "redis", "ruby", "sh", "swift", "text", "toml", "ts"),
}
HOSTS = {
    "$host$request_uri",  # nginx's variables
    "127.0.0.1",
    "application",  # the upstream of the second nginx example
    "example.com",
    "friend.example",
    "hornet",  # the upstream of the nginx example
    "keepachangelog.com",
    "localhost",
    "push.example.com",
    "semver.org",
    "www.example.com",
}
A_FILE_OF_OURS = re.compile(
    r"(?:hornet|tests|docs|examples|client-js|benchmarks)/[\w./-]*|[\w-]+\.(?:cfg|ini)"
)
A_PLACE_ON_SOME_MACHINE = re.compile(r"(?<![\w.:/<-])/(?:home|root|Users|work|tmp|opt|mnt|srv|var)/")
BUILT = {"hornet/web/static/"}

PRIVATE_LANGUAGE = re.compile(
    r"whoever|nobody but|for good\b|of ours\b|\b(?:doorway|lineup|census|hearing|bury|buries|buried)\b",
    re.IGNORECASE,
)

every_page = pytest.mark.parametrize("page", pages(), ids=page_name)


def blocks_of(language: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", all_blocks(language), ids=str)


@every_page
def test_links_lead_to_a_page_and_a_heading_that_exist(page: Path) -> None:
    for link in links(page):
        target = urlsplit(link)
        if target.scheme:
            continue
        file = (page.parent / target.path).resolve() if target.path else page
        assert file.exists(), link
        if target.fragment:
            assert target.fragment in anchors(file), link


def test_every_page_has_a_title_of_its_own() -> None:
    titles: dict[str, Path] = {}
    for page in pages():
        title, *_ = re.findall(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert title not in titles, f"{page_name(page)} and {page_name(titles[title])}: {title}"
        titles[title] = page


@every_page
def test_a_page_names_no_host_but_those_of_the_list(page: Path) -> None:
    for url in re.findall(r"https?://[^\s<>\"'`)\],;]+", page.read_text(encoding="utf-8")):
        assert urlsplit(url).hostname in HOSTS, url


@every_page
def test_a_page_names_no_place_on_its_writers_machine(page: Path) -> None:
    assert A_PLACE_ON_SOME_MACHINE.findall(page.read_text(encoding="utf-8")) == []


@every_page
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    for span in code_spans(page):
        if A_FILE_OF_OURS.fullmatch(span) and span not in BUILT:
            assert (ROOT / span).exists(), span


@every_page
def test_a_page_speaks_the_language_of_the_field(page: Path) -> None:
    assert PRIVATE_LANGUAGE.findall(page.read_text(encoding="utf-8")) == []


@every_page
def test_every_code_block_says_its_language(page: Path) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, str(block)


@blocks_of("python")
def test_python_blocks_compile(block: Block) -> None:
    compile(block.text, str(block), "exec")


@blocks_of("python")
def test_python_blocks_import_what_hornet_has(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "hornet":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                assert hasattr(module, alias.name), f"{node.module} has no {alias.name}"


@blocks_of("python")
def test_python_blocks_call_what_a_connector_has(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hornet":
            assert hasattr(Connector, node.attr), node.attr
            assert hasattr(AsyncConnector, node.attr), node.attr


@blocks_of("sh")
def test_shell_blocks_are_shell(block: Block) -> None:
    done = subprocess.run(["sh", "-n"], input=block.text, text=True, capture_output=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr


@blocks_of("json")
def test_json_blocks_are_json(block: Block) -> None:
    json.loads(block.text)


@blocks_of("toml")
def test_toml_blocks_are_toml(block: Block) -> None:
    tomllib.loads(block.text)


def test_javascript_blocks_are_javascript(node: Path, tmp_path: Path) -> None:
    for number, block in enumerate(all_blocks("js")):
        script = tmp_path / f"{number}.mjs"
        script.write_text(block.text, encoding="utf-8")
        done = subprocess.run([node, "--check", script], text=True, capture_output=True, timeout=DEADLINE_S)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
