"""The reference pages say all that the code has."""

import re
import runpy
from dataclasses import fields

import pytest

from hornet.app import NODE, create_app
from hornet.config import Config, options
from hornet.config_doc import render
from hornet.core import codes
from hornet.core.messages import RESERVED_EVENTS
from tests.docs.markdown import ROOT, code_spans

REFERENCE = ROOT / "docs" / "reference"


def test_the_configuration_page_is_what_the_code_says() -> None:
    page = (REFERENCE / "configuration.md").read_text(encoding="utf-8")
    assert page == render(), "run: python docs/generate.py"


def test_the_api_page_is_what_the_code_says() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "generate.py"))["render_api"]()
    page = (REFERENCE / "api.md").read_text(encoding="utf-8")
    assert page == made, "run: python docs/generate.py"


@pytest.mark.parametrize(("name", "tables"), [("socketio.md", 3), ("redis.md", 1), ("metrics.md", 2)])
def test_the_tables_of_codes_are_what_the_code_says(name: str, tables: int) -> None:
    render = runpy.run_path(str(ROOT / "docs" / "generate.py"))["render_codes"]
    page = (REFERENCE / name).read_text(encoding="utf-8")
    assert page.count("<!-- codes: ") == tables
    assert page == render(page), "run: python docs/generate.py"


def test_every_reason_to_drop_a_publish_is_in_the_redis_page() -> None:
    code = "".join(path.read_text() for path in (ROOT / "hornet").rglob("*.py"))
    raised = {getattr(codes, name) for name in re.findall(r"InvalidPublish\(\s*codes\.(\w+)", code)}
    assert len(raised) > 8
    assert raised <= {*codes.DROPS, *codes.PROBLEMS}
    assert set(codes.DROPS) <= set(code_spans(REFERENCE / "redis.md"))


def test_every_error_code_is_in_the_socketio_page() -> None:
    named = set(code_spans(REFERENCE / "socketio.md"))
    assert {*codes.MESSAGES, *codes.ACKNOWLEDGEMENTS} <= named


def test_every_reserved_event_is_in_the_socketio_page() -> None:
    assert set(RESERVED_EVENTS) <= set(code_spans(REFERENCE / "socketio.md"))


def test_every_metric_is_in_the_metrics_page() -> None:
    named = set(code_spans(REFERENCE / "metrics.md"))
    rendered = create_app()[NODE].metrics.render().decode()
    metrics = set(re.findall(r"^# TYPE (\w+) (?:counter|gauge|histogram)$", rendered, re.MULTILINE))
    metrics = {name for name in metrics if not name.endswith("_created")}
    assert {"hornet_messages_total", "hornet_redis_up", "hornet_slow_readers_total"} <= metrics
    assert metrics <= named


def test_every_fault_of_a_client_is_in_the_metrics_page() -> None:
    code = "".join(path.read_text() for path in (ROOT / "hornet").rglob("*.py"))
    raised = {getattr(codes, name) for name in re.findall(r"Malformed\(\s*codes\.(\w+)", code)}
    assert len(raised) > 15
    assert raised <= set(codes.FAULTS)
    assert set(codes.FAULTS) <= set(code_spans(REFERENCE / "metrics.md"))


def test_the_python_page_names_every_section_of_the_configuration() -> None:
    page = (REFERENCE / "python.md").read_text(encoding="utf-8")
    section = page.split("### `hornet.Config`")[1].split("###")[0]
    assert [field.name for field in fields(Config)] == re.findall(r"`(\w+)`", section)


def test_the_flags_that_pages_name_exist() -> None:
    known = {one.flag for one in options()} | {
        "--config",
        "--version",
        "--help",
        "--no-demo",
        "--no-compression",
    }
    known |= {"--ttl", "--user", "--info", "--publish", "--only", "--except", "--url", "--key"}
    known |= {"--limit", "--since", "--before", "--newest-first", "--json"}
    for page in ("socketio.md", "cli.md", "redis.md"):
        for span in code_spans(REFERENCE / page):
            if span.startswith("--"):
                assert span.split()[0] in known, f"{page}: {span}"


def test_the_architecture_page_has_every_package() -> None:
    named = set(code_spans(ROOT / "docs" / "topics" / "architecture.md"))
    for path in (ROOT / "hornet").iterdir():
        if path.name.startswith("_") or path.name in ("py.typed", "__pycache__"):
            continue
        name = f"hornet/{path.name}/" if path.is_dir() else f"hornet/{path.name}"
        assert name in named


def test_the_engine_page_has_every_file_of_the_engine() -> None:
    engine = ROOT / "hornet" / "engine"
    files = [path for path in engine.rglob("*") if path.suffix in (".py", ".c") and path.stem != "__init__"]
    assert len(files) > 30
    named = set(code_spans(ROOT / "docs" / "topics" / "engine.md"))
    for path in files:
        name = path.relative_to(engine).with_suffix("").as_posix()
        assert name in named or path.name in named, name


def test_the_dependencies_page_has_every_requirement_and_its_lower_bound_or_a_higher_one() -> None:
    required = (ROOT / "setup.cfg").read_text().partition("[options.packages.find]")[0]
    required = required.replace(required[required.index("\ntest =") :], "")
    wanted = re.findall(r"^    ([\w-]+) >= ([\d.]+)", required, re.MULTILINE)
    assert wanted
    page = (ROOT / "docs" / "topics" / "dependencies.md").read_text(encoding="utf-8")
    for name, version in wanted:
        assert name in page
        tested = re.search(rf"^\| {name} \| ([\d.]+)", page, re.MULTILINE)
        if tested:
            assert numbers(tested[1]) >= numbers(version), (
                f"{name} is tested from {tested[1]}, allowed from {version}"
            )


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
