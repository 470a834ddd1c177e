"""`benchmarks/gpu.sh` with stand-ins for driver, Python and takt, which note their calls."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tree import ROOT

NOTE = '#!/usr/bin/env bash\necho "$(basename "$0") $*" >> "$CALLS"\n'
PYTHON = NOTE + f"[[ $1 != - ]] || exec {sys.executable} -\n"
NO_TENSORRT = NOTE + '[[ "$*" != *"--require tensorrt"* ]]\n'


@dataclass(frozen=True)
class Host:
    """A copy of the script in a folder of its own, with what it finds there."""

    root: Path

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "benchmarks" / "gpu.sh", "parts/1", "good"],
            cwd=self.root,
            env={
                "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "CALLS": str(self.root / "calls"),
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def report(self) -> str:
        return (self.root / "out" / "gpu-report.txt").read_text()


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "benchmarks").mkdir()
    shutil.copy(ROOT / "benchmarks" / "gpu.sh", tmp_path / "benchmarks")
    put(tmp_path / "parts" / "1" / "manifest.json", "{}")
    (tmp_path / "good").mkdir()
    put(tmp_path / "bin" / "nvidia-smi", "#!/bin/sh\necho NVIDIA Made-up 1\n")
    put(tmp_path / "given" / "bin" / "python", PYTHON)
    put(tmp_path / "given" / "bin" / "pip", NOTE)
    put(tmp_path / "given" / "bin" / "takt", NOTE)
    return Host(tmp_path)


def test_into_an_environment_that_is_handed_over_nothing_is_installed(host: Host) -> None:
    done = host.run(GPU_VENV="given")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [call for call in host.calls if "pip" in call or "install" in call]
    assert "NVIDIA Made-up 1" in host.report
    assert "\nnumpy " in host.report


def test_both_models_are_measured_in_the_engine_and_served(host: Host) -> None:
    host.run(GPU_VENV="given")
    served = [call for call in host.calls if "benchmarks.gpu_server" in call]
    assert [call.partition("--engines ")[2].split()[0] for call in served] == [
        "cuda",
        "tensorrt-fp16",
    ]
    for call in served:
        assert "out/gpu/models/parts/1 out/gpu/random/inpformer-b/1" in call
        assert "--json out/gpu-server-" in call


def test_without_tensorrt_the_rest_is_measured(host: Host) -> None:
    put(host.root / "given" / "bin" / "takt", NO_TENSORRT)
    done = host.run(GPU_VENV="given")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TensorRT cannot run here" in host.report
    assert not [call for call in host.calls if "export tensorrt" in call]
    assert [call for call in host.calls if "-k not tensorrt" in call]
    assert [call for call in host.calls if "--engines cuda --json" in call]


def test_what_the_environment_needs_set_is_set(host: Host) -> None:
    put(host.root / "given" / "gpu.env", "export LD_LIBRARY_PATH=/there\n")
    put(host.root / "given" / "bin" / "takt", NOTE + 'echo "$LD_LIBRARY_PATH"\n')
    host.run(GPU_VENV="given")
    assert "/there" in host.report.splitlines()


def test_what_the_environment_lacks_is_named(host: Host) -> None:
    without = f"{sys.executable} -S -c 'import importlib.metadata as m, sys; m.requires = "
    without += """lambda _: ["numpy>=1", "alembic>=1.13", "torch; extra == \\"export\\""]; """
    without += "exec(sys.stdin.read())'\n"
    put(host.root / "given" / "bin" / "python", NOTE + f"[[ $1 != - ]] || exec {without}")
    host.run(GPU_VENV="given")
    assert "!! this environment lacks numpy alembic\n" in host.report


def test_a_failure_is_told_and_the_rest_goes_on(host: Host) -> None:
    put(host.root / "given" / "bin" / "python", NOTE + '[[ "$*" != *pytest* ]]\n')
    done = host.run(GPU_VENV="given")
    assert done.returncode == 1
    assert "!! failed with status 1" in host.report
    assert "benchmarks.engines" in host.calls[-1]


def test_after_twenty_minutes_the_rest_is_left_out(host: Host) -> None:
    done = host.run(GPU_VENV="given", SECONDS="1200")
    assert done.returncode == 1
    assert "!! left out: 20 minutes are over" in host.report
    assert not [call for call in host.calls if "gpu_server" in call]


def test_an_environment_without_takt_is_refused_with_what_to_do(host: Host) -> None:
    (host.root / "given" / "bin" / "takt").unlink()
    done = host.run(GPU_VENV="given")
    assert done.returncode == 2
    assert "pip install --no-deps --no-build-isolation -e ." in done.stderr
    assert not host.calls


def test_an_environment_that_is_not_there_is_made(host: Host) -> None:
    make = NOTE + f'mkdir -p "$3/bin"; cp {host.root}/given/bin/* "$3/bin"\n'
    put(host.root / "bin" / "python3", make)
    host.run(GPU_VENV="new")
    assert host.calls[0] == f"python3 -m venv {host.root / 'new'}"
    assert host.calls[1] == (
        "python .ci/install.py ./service[gpu,tensorrt] ./export[train] ./models --group dev"
    )
