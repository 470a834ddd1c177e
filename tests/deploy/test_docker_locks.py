"""The locked dependencies of the images agree with what the project asks for."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.deploy_tools import package
from tests.tree import declared

ROOT = Path(__file__).parents[2]
LOCKING = runpy.run_path(str(ROOT / "docker/lock.py"))
EXTRAS: dict[str, tuple[str, ...]] = LOCKING["EXTRAS"]
PLATFORMS: dict[str, str] = LOCKING["PLATFORMS"]
BUILD: str = LOCKING["BUILD"]
LOCKS = (BUILD, *(f"{image}-{architecture}" for image, architecture in LOCKING["LOCKS"]))


def place(lock: str) -> Path:
    return ROOT / f"docker/requirements-{lock}.lock"


def pinned(lock: str) -> dict[str, tuple[str, int]]:
    """By name: the version, and how many hashes it has."""
    found = {}
    for block in re.split(r"\n(?=[a-z])", place(lock).read_text(encoding="utf-8")):
        pin = re.match(r"([\w.-]+)(?:\[[\w,]+\])?==(\S+)", block)
        if pin:
            found[canonicalize_name(pin[1])] = (
                pin[2],
                len(re.findall(r"--hash=sha256:[0-9a-f]{64}", block)),
            )
    return found


def asked(lock: str) -> list[Requirement]:
    if lock == BUILD:
        text = (ROOT / LOCKING["SERVICE"]).read_text("utf-8")
        return [Requirement(line) for line in tomllib.loads(text)["build-system"]["requires"]]
    service = declared("takt-inspection")
    lines = [*service["dependencies"], *declared("takt-client")["dependencies"]]
    for extra in EXTRAS[lock.partition("-")[0]]:
        lines += service["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_all_that_the_project_asks_for_within_its_ranges(lock: str) -> None:
    pins = pinned(lock)
    for requirement in asked(lock):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not in the lock of {lock}: `make lock`"
        assert requirement.specifier.contains(pins[name][0]), f"{name}: `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_has_a_hash(lock: str) -> None:
    pins = pinned(lock)
    lines = [line for line in place(lock).read_text(encoding="utf-8").splitlines() if "==" in line]
    assert len(pins) == len(lines)
    assert all(hashes > 0 for _, hashes in pins.values())


def test_the_two_images_hold_the_same_versions_of_what_both_need() -> None:
    cpu, gpu = pinned("cpu-amd64"), pinned("gpu-amd64")
    both = set(cpu) & set(gpu)
    assert {"numpy", "fastapi", "opencv-python-headless"} <= both
    assert {name: cpu[name] for name in both} == {name: gpu[name] for name in both}


def test_an_image_has_one_onnx_runtime() -> None:
    assert "onnxruntime-gpu" not in pinned("cpu-amd64").keys() | pinned("cpu-arm64").keys()
    assert "onnxruntime" not in pinned("gpu-amd64")


@pytest.mark.slow
@pytest.mark.parametrize("lock", LOCKS)
def test_the_registry_still_has_wheels_of_every_version_in_a_lock(lock: str) -> None:
    package("uv")
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--only-binary", ":all:"]
    platform = PLATFORMS[lock.partition("-")[2] or "amd64"]
    command += ["--python-version", LOCKING["PYTHON"], "--python-platform", platform]
    resolved = subprocess.run([*command, str(place(lock))], capture_output=True, text=True)
    assert resolved.returncode == 0, resolved.stderr
    names = set(re.findall(r"^([\w.-]+)==", resolved.stdout, re.MULTILINE))
    assert {canonicalize_name(name) for name in names} == set(pinned(lock))
