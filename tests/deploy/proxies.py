"""Real proxies with the configurations of ``deploy/``, on loopback and as a user without rights."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.certificates import Certificates
from tests.docs.markdown import ROOT
from tests.e2e.server import free_port
from tests.e2e.waiting import DEADLINE_S

DEPLOY = ROOT / "deploy"
NOBODY = 65534


def nginx(folder: Path, port: int, nodes: list[int]) -> list[str]:
    """The file of ``conf.d``, in the main configuration that a distribution has around it."""
    site = _filled((DEPLOY / "nginx.conf").read_text(), nodes)
    return _nginx(folder, site.replace("listen 80;", f"listen 127.0.0.1:{port};"))


def _nginx(folder: Path, site: str) -> list[str]:
    (folder / "hornet.conf").write_text(site)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "main.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;"
        f"events {{ worker_connections 1000; }}"
        f"http {{ access_log off; {temporary} include {folder}/hornet.conf; }}"
    )
    return ["nginx", "-c", str(folder / "main.conf"), "-e", "stderr"]


def nginx_app(folder: Path, port: int, node: int, application: int, certificates: Certificates) -> list[str]:
    """The site of an application and one node. Nobody asks the port that stands in for 80."""
    site = (DEPLOY / "nginx-app.conf").read_text()
    for standard, own in (
        ("127.0.0.1:8187", f"127.0.0.1:{node}"),
        ("127.0.0.1:8000", f"127.0.0.1:{application}"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/letsencrypt/live/www.example.com/fullchain.pem", str(folder / "cert.pem")),
        ("/etc/letsencrypt/live/www.example.com/privkey.pem", str(folder / "key.pem")),
    ):
        assert standard in site
        site = site.replace(standard, own)
    for name in ("cert.pem", "key.pem"):
        shutil.copy(certificates.folder / name, folder / name)
    return _nginx(folder, site)


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
    with serving(lambda folder, port: PROXIES[name](folder, port, nodes)) as port:
        yield port


@contextmanager
def serving(configure: Callable[[Path, int], list[str]]) -> Iterator[int]:
    """Run the command that ``configure`` returns for a folder and a port; yield the port."""
    folder = Path(tempfile.mkdtemp(prefix="hornet-proxy-"))
    port = free_port()
    command = configure(folder, port)
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
