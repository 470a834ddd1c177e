"""A real Triton: the server and the Python backend that `nvidia-pytriton` brings."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_REQUIRED = "TAKT_REQUIRE_TRITON"
_OF_ONNX_RUNTIME = "TRITON_ONNXRUNTIME"
_LOOK_S = 0.5
_END_S = 120


def installed() -> Path:
    """The folder of pytriton; the test is skipped, or fails, where it is missing."""
    found = importlib.util.find_spec("pytriton")
    if found is None or found.origin is None:
        tell = pytest.fail if os.environ.get(_REQUIRED) else pytest.skip
        tell(f"no Triton here: `make test-triton` brings one (with {_REQUIRED}=1 this fails)")
    return Path(found.origin).parent


def backend_for_onnx_runtime() -> Path | None:
    """Triton's backend for ONNX Runtime, which pytriton lacks: build_onnxruntime.sh makes one."""
    given = os.environ.get(_OF_ONNX_RUNTIME)
    return Path(given) if given else None


@contextmanager
def run_triton(repository: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Triton on free ports, from the moment its models are loaded; it runs this Python.

    Its own word that it has started comes a moment before it listens.

    Args:
        repository: of models.
        folder: where its backends are put together.

    Yields:
        Its addresses by the protocols of tritonclient.

    Raises:
        TritonEndedError: it could not load the models.
    """
    package = installed()
    backends = _backends(package / "tritonserver", folder)
    ports = {name: _free_port() for name in ("http", "grpc")}
    command = [
        str(package / "tritonserver" / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={backends}",
        *(f"--{name}-port={port}" for name, port in ports.items()),
        *(f"--{name}-address=127.0.0.1" for name in ports),
        "--allow-metrics=false",
    ]
    libraries = (sysconfig.get_config_var("LIBDIR"), package.parent / "nvidia_pytriton.libs")
    ours = os.environ | {
        # The backend's process is a Python of its own, which finds its packages by the first one.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
    }
    process = subprocess.Popen(
        command,
        env=ours,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log: list[str] = []
    ended = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            log.extend(process.stdout)
        ended.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        # One that ends may leave a process of the backend, which keeps the pipe open.
        while not all(_listens(port) for port in ports.values()):
            if process.poll() is not None:
                reader.join(_LOOK_S)
                raise TritonEndedError("".join(log))
            ended.wait(_LOOK_S)
        yield {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=_END_S)
        finally:
            process.kill()
            process.wait()
            reader.join(_LOOK_S)


class TritonEndedError(Exception):
    """Triton ended before it answered; the message is its log."""


def _backends(server: Path, folder: Path) -> Path:
    """Triton's backends: that of Python, with the program for this version, and what was built."""
    python = folder / "backends" / "python"
    if not python.exists():
        shutil.copytree(server / "backends" / "python", python)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy(stub, python)
        if (built := backend_for_onnx_runtime()) is not None:
            (python.parent / "onnxruntime").mkdir()
            shutil.copy(built, python.parent / "onnxruntime")
    return python.parent


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
