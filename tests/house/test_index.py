"""What `make install` says of a package index that is out of reach, before pip asks it for long."""

from __future__ import annotations

import http.server
import os
import re
import runpy
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REACH = ROOT / ".ci/reach.py"


def asked(seconds: str = "30", **variables: str) -> subprocess.CompletedProcess[str]:
    without = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [sys.executable, str(REACH), seconds],
        env=without | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_further_index_nothing_is_asked() -> None:
    assert asked().returncode == 0


def test_an_index_that_answers_whatever_it_says_is_in_reach() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        found = asked(PIP_EXTRA_INDEX_URL=f"http://127.0.0.1:{server.server_port}/whl/cpu")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize("variable", ["PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"])
def test_an_index_that_does_not_answer_is_told_in_time_with_what_to_do(variable: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        found = asked("1", **{variable: f"http://user:secret@127.0.0.1:{port}/whl/cpu"})
    assert found.returncode == 1
    assert f"{variable}: 127.0.0.1:{port} does not answer within 1 s" in found.stderr
    assert "leave it out" in found.stderr
    assert "secret" not in found.stderr and "Traceback" not in found.stderr


def test_whatever_installs_asks_first(tmp_path: Path) -> None:
    for target in ("serve", "learn", "dev"):
        made = subprocess.run(
            ["make", "-n", f"VENV={tmp_path}/venv", f"{tmp_path}/venv/.{target}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        installs = re.search(r"pip install|\.ci/install\.py", made.stdout)
        assert installs and made.stdout.index(".ci/reach.py") < installs.start()


LISTED = """:env:.cert='/etc/own.pem'
:env:.extra-index-url='https://one.example/cpu https://two.example/cpu'
global.cert='/etc/other.pem'
global.index-url='https://mirror.example/simple'
global.find-links='\\n/opt/wheels\\n/srv/wheels'
global.timeout='180'
"""


def test_uv_asks_the_indexes_that_pip_would_ask() -> None:
    told = runpy.run_path(str(ROOT / ".ci/install.py"))["as_uv_is_told"](LISTED)
    assert told == {
        "SSL_CERT_FILE": "/etc/own.pem",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_FIND_LINKS": "/opt/wheels,/srv/wheels",
        "UV_INDEX": "https://one.example/cpu https://two.example/cpu",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
