"""The files of ``deploy/`` are well-formed, as far as that can be seen without what they are for."""

import re
import shutil
import subprocess
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hornet.cli import main
from hornet.config import options
from tests.docs.markdown import ROOT, blocks

DEPLOY = ROOT / "deploy"


def test_the_configuration_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HORNET_REDIS", raising=False)
    assert main(("check-config", "--config", str(DEPLOY / "hornet.toml"))) == 0
    assert "demo = false  (the file" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", ["hornet.service", "hornet.socket"])
def test_systemd_understands_the_unit(name: str, tmp_path: Path) -> None:
    program = tmp_path / "hornet-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in ("hornet.service", "hornet.socket"):
        text = (DEPLOY / unit).read_text().replace("/usr/local/bin/hornet-server", str(program))
        (tmp_path / unit).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    about = [line for line in done.stderr.splitlines() if "hornet" in line]
    assert about == []


def compose() -> list[str]:
    """The words that run Docker Compose, which reads a file without Docker; none if it is not installed."""
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]) and not subprocess.run([*words, "version"], capture_output=True).returncode:
            return words
    return []


COMPOSE = compose()


@pytest.mark.skipif(not COMPOSE, reason="Docker Compose is not installed")
def test_compose_understands_the_file() -> None:
    done = subprocess.run(
        [*COMPOSE, "-f", str(DEPLOY / "compose.yaml"), "config"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1:8187" in done.stdout or "host_ip: 127.0.0.1" in done.stdout


def test_the_image_has_a_version_of_each_package_that_the_wheel_asks_for() -> None:
    lines = (DEPLOY / "requirements.txt").read_text().splitlines()
    fixed = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    wanted = [Requirement(text) for text in requires("hornet-server") or ()]
    in_image = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": "speed"})]
    assert len(in_image) > 8
    for requirement in in_image:
        assert requirement.specifier.contains(fixed[requirement.name]), requirement


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "hornet.service"])
def test_the_variables_of_a_file_are_options(name: str) -> None:
    named = set(re.findall(r"HORNET_[A-Z_]+", (DEPLOY / name).read_text()))
    assert named
    assert named <= {one.variable for one in options()}


@pytest.mark.parametrize(
    ("page", "language", "name"),
    [
        ("proxy.md", "nginx", "nginx.conf"),
        ("proxy.md", "nginx", "nginx-app.conf"),
        ("proxy.md", "haproxy", "haproxy.cfg"),
        ("proxy.md", "caddy", "Caddyfile"),
        ("deploy.md", "ini", "hornet.service"),
        ("deploy.md", "dockerfile", "Dockerfile"),
    ],
)
def test_pages_show_the_files_as_they_are(page: str, language: str, name: str) -> None:
    texts = [block.text for block in blocks(ROOT / "docs" / "howto" / page, language)]
    assert any(text.strip() in (DEPLOY / name).read_text() for text in texts)


def test_the_commands_of_the_deploy_page_install_what_the_unit_starts() -> None:
    [install, *_] = [block.text for block in blocks(ROOT / "docs" / "howto" / "deploy.md", "sh")]
    [program] = re.findall(r"^ExecStart=(\S+)", (DEPLOY / "hornet.service").read_text(), re.MULTILINE)
    folder, name = program.rsplit("/", 1)
    assert re.search(rf"ln -sf .*/bin/{name} .* {folder}/$", install, re.MULTILINE)
    files = re.findall(r"\bdeploy/([\w.-]+)", install)
    assert files
    assert all((DEPLOY / file).is_file() for file in files)


@pytest.mark.parametrize("name", ["nginx.conf", "nginx-app.conf"])
def test_the_configuration_of_nginx_is_well_formed_and_passes_on_what_hornet_needs(name: str) -> None:
    text = re.sub(r"#.*", "", (DEPLOY / name).read_text())
    depth = 0
    for statement in re.split(r"(?<=[;{}])", text):
        assert depth >= 0
        depth += statement.count("{") - statement.count("}")
        assert not statement.strip() or statement.rstrip()[-1] in ";{}", statement
    assert depth == 0
    for line in (
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_read_timeout 60s;",
    ):
        assert line in text
