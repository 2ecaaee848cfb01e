"""Real proxies with the configurations of ``deploy/``, on loopback and as a user without rights."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.markdown import ROOT
from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S

DEPLOY = ROOT / "deploy"
NOBODY = 65534


def nginx(folder: Path, port: int, nodes: list[int]) -> list[str]:
    """The file of ``conf.d``, in the main configuration that a distribution has around it."""
    site = (DEPLOY / "nginx.conf").read_text()
    (folder / "hornet.conf").write_text(
        _filled(site, nodes).replace("listen 80;", f"listen 127.0.0.1:{port};")
    )
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "main.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;"
        f"events {{ worker_connections 1000; }}"
        f"http {{ access_log off; {temporary} include {folder}/hornet.conf; }}"
    )
    return ["nginx", "-c", str(folder / "main.conf"), "-e", "stderr"]


def haproxy(folder: Path, port: int, nodes: list[int]) -> list[str]:
    text = _filled((DEPLOY / "haproxy.cfg").read_text(), nodes)
    text = text.replace("maxconn 20000", "maxconn 1000")  # a user without rights has not so many files
    (folder / "haproxy.cfg").write_text(text.replace("bind :80", f"bind 127.0.0.1:{port}"))
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


def caddy(folder: Path, port: int, nodes: list[int]) -> list[str]:
    text = _filled((DEPLOY / "Caddyfile").read_text(), nodes)
    site = f"http://127.0.0.1:{port} {{\n\tbind 127.0.0.1"
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text.replace("www.example.com {", site))
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}


def _filled(text: str, nodes: list[int]) -> str:
    for standard, port in zip((8187, 8188), nodes, strict=True):
        assert f"127.0.0.1:{standard}" in text
        text = text.replace(f"127.0.0.1:{standard}", f"127.0.0.1:{port}")
    return text


@contextmanager
def running(name: str, nodes: list[int]) -> Iterator[int]:
    """The port of a proxy in front of ``nodes``; it is gone afterwards, with all that it wrote."""
    folder = Path(tempfile.mkdtemp(prefix="hornet-proxy-"))
    port = free_port()
    command = PROXIES[name](folder, port, nodes)
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    process = subprocess.Popen(
        command,
        cwd=folder,  # HAProxy goes back to where it started, which must be open to that user
        user=NOBODY if os.geteuid() == 0 else None,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(DEADLINE_S)
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
