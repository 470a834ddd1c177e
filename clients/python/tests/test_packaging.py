"""The package stands alone, in an environment that has nothing else of Takt."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import sys
import threading
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parents[1]
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]

SCRIPT = """
import sys
import models, service, takt_export.tools
from takt_client import TaktClient
with TaktClient(sys.argv[1]) as client:
    print(client.inspect("parts", b"a jpeg").score)
print(service.MINE, models.MINE, export.tools.MINE)
"""


def closure(requirements: list[str]) -> set[str]:
    """The packages that these bring, themselves included."""
    found: set[str] = set()
    left = [Requirement(line) for line in requirements]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in found or not (requirement.marker is None or requirement.marker.evaluate()):
            continue
        found.add(name)
        lines = importlib.metadata.requires(name) or []
        left += [one for one in map(Requirement, lines) if "extra" not in str(one.marker)]
    return found


def test_httpx_and_websockets_are_its_only_dependencies() -> None:
    assert {Requirement(line).name for line in PROJECT["dependencies"]} == {"httpx", "websockets"}


def test_it_brings_fewer_than_twelve_packages() -> None:
    assert len(closure(PROJECT["dependencies"]) | {PROJECT["name"]}) < 12


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_the_wheel_works_beside_a_user_s_modules_of_the_server_s_names(
    tmp_path: Path, wire
) -> None:
    wheels, place = tmp_path / "wheels", tmp_path / "venv"
    source = shutil.copytree(FOLDER, tmp_path / "source")  # which a build writes to
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(source)]
    subprocess.run([*build, "--wheel-dir", str(wheels)], check=True)
    venv.create(place, with_pip=True)
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    (wheel,) = wheels.iterdir()
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    brought = {one["name"] for one in json.loads(listed.stdout)} - {"pip", "setuptools", "wheel"}
    assert len(brought) < 12, brought

    own = tmp_path / "own"
    (own / "export").mkdir(parents=True)
    for name in ("service.py", "models.py", "export/tools.py"):
        (own / name).write_text(f"MINE = {name!r}\n")
    (own / "script.py").write_text(SCRIPT)
    with answering(json.dumps(wire.inspection(request_id="r")).encode()) as url:
        done = subprocess.run([python, "script.py", url], cwd=own, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["0.75", "service.py models.py export/tools.py"]
