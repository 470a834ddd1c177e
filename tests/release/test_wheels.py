"""All distributions, built as they are released and installed where nothing else of them is."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from tests.tree import DISTRIBUTIONS, SOURCES, copy_tracked, declared, tracked

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]
VERSION: str = declared("takt-inspection")["version"]
PYTHONS = ("python3.11", "python3.13")
"""The oldest one that is supported, and Debian's."""

INSPECT = """
import sys
from importlib.metadata import version
from pathlib import Path
from takt_client import RetryPolicy, TaktClient
picture = Path(sys.argv[2]).read_bytes()
with TaktClient(sys.argv[1], retry=RetryPolicy(deadline_s=300)) as client:
    print(version("takt-client"), client.inspect("pitting", picture).anomalous)
"""


NAMES_OF_OTHERS = ("service", "export", "models", "families", "core", "utils")

PROGRAM = f"""
import {", ".join(NAMES_OF_OTHERS)}
from takt.app import create_app
from takt.settings import Settings
assert {{{", ".join(f"{name}.WHOSE" for name in NAMES_OF_OTHERS)}}} == {{"the program's"}}
create_app(Settings(repository="bundles", record="none"))
"""

LEFT_OUT = {"torch", "pymodbus", "paho-mqtt", "grpcio", "ray", "s3fs", "boto3", "takt-export"}
"""What a server's install does not bring."""

Wheels = dict[str, Path]
"""By distribution."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """Each built from its source distribution alone."""
    folder = tmp_path_factory.mktemp("release")
    tree = folder / "tree"
    copy_tracked(tree)
    # As `make wheels` does.
    command = [sys.executable, "-m", "uv", "build", "--all-packages", "--out-dir", folder / "dist"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        name: next((folder / "dist").glob(f"{name.replace('-', '_')}-*.whl"))
        for name in DISTRIBUTIONS
    }


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_names_and_metadata_are_those_of_this_version(wheels: Wheels) -> None:
    for name, wheel in wheels.items():
        assert wheel.name == f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl"
        with zipfile.ZipFile(wheel) as archive:
            (place,) = (one for one in archive.namelist() if one.endswith("/METADATA"))
            told = Metadata.from_email(archive.read(place))
        assert (told.name, str(told.version)) == (name, VERSION)
        assert told.license_expression == "Apache-2.0"
        assert told.description


def test_a_wheel_has_every_file_of_its_package_and_no_other(wheels: Wheels) -> None:
    for (name, wheel), (package, source) in zip(wheels.items(), SOURCES.items(), strict=True):
        inside = names_in(wheel)
        folder = f"{source.relative_to(ROOT)}/"
        wanted = {one.removeprefix(folder) for one in tracked() if one.startswith(folder + package)}
        assert wanted <= inside
        information = f"{name.replace('-', '_')}-{VERSION}.dist-info"
        assert {one.partition("/")[0] for one in inside} == {package, information}


def test_a_wheel_names_whose_weights_its_model_has(wheels: Wheels) -> None:
    with zipfile.ZipFile(wheels["takt-inspection"]) as archive:
        (place,) = (
            one for one in archive.namelist() if one.endswith("licenses/takt/commands/demo/NOTICE")
        )
        assert "EfficientNet-Lite0" in archive.read(place).decode()
        assert "CC BY-SA" not in archive.read(place).decode()


def test_a_source_distribution_brings_the_licence_and_no_pictures_of_examples(
    wheels: Wheels,
) -> None:
    for archive in wheels["takt-inspection"].parent.glob("*.tar.gz"):
        with tarfile.open(archive) as opened:
            names = opened.getnames()
        assert any(name.endswith("/LICENSE") for name in names)
        assert not any("/examples/" in name for name in names)


@contextmanager
def serving(takt: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [takt, "serve", "--repository", folder / "bundles", "--record", "none"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "--port", str(port)], cwd=folder, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        # It ends by the signal that it was sent, once it has shut down.
        assert process.wait(timeout=60) == -signal.SIGTERM


@pytest.mark.parametrize("python", PYTHONS)
def test_the_wheels_serve_and_ask_in_a_clean_environment(
    wheels: Wheels, tmp_path: Path, python: str
) -> None:
    found = shutil.which(python)
    assert found, f"no {python} here: install Debian's package `{python}-venv`"
    place = tmp_path / "venv"
    subprocess.run([found, "-m", "venv", str(place)], check=True)
    own = place / "bin/python"
    install = [own, "-m", "pip", "install", "--quiet", f"{wheels['takt-inspection']}[cpu]"]
    subprocess.run(install, cwd=tmp_path, check=True)
    listed = [own, "-m", "pip", "list", "--format", "json"]
    packages = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
    assert LEFT_OUT.isdisjoint(one["name"] for one in json.loads(packages))
    subprocess.run([own, "-m", "pip", "check"], cwd=tmp_path, check=True)

    takt = place / "bin/takt"
    shutil.copytree(ROOT / "examples/bank", tmp_path / "bundles")
    picture = sorted((ROOT / "examples/pictures/pitting").glob("*.jpg"))[4]
    told = subprocess.run([takt, "--version"], capture_output=True, text=True, check=True)
    assert VERSION in told.stdout
    doctor = subprocess.run(
        [takt, "doctor", "--json"], capture_output=True, text=True, cwd=tmp_path
    )
    assert json.loads(doctor.stdout)
    # Before any model is there, the wheel shows its own.
    shown = subprocess.run(
        [takt, "demo", "--once", "--port", "0"], capture_output=True, text=True, cwd=tmp_path
    )
    assert shown.returncode == 0, shown.stderr
    assert "12 of 12 verdicts agree with the truth" in shown.stdout
    # A server's install leaves the exporter out, and one word brings it.
    command = [takt, "learn", tmp_path, "--model", "part"]
    lacking = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert lacking.returncode == 1
    assert "pip install 'takt-inspection[train]'" in " ".join(lacking.stderr.split())
    subprocess.run([*install[:-1], wheels["takt-client"]], cwd=tmp_path, check=True)
    with serving(takt, tmp_path) as url:
        script = tmp_path / "ask.py"
        script.write_text(INSPECT)
        asked = [own, "-W", "error", script, url, picture]
        answer = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
        assert answer.stdout.split() == [VERSION, "True"]
        page = subprocess.run(
            [own, "-c", f"import httpx; print(httpx.get('{url}/console/').status_code)"],
            capture_output=True,
            text=True,
        )
        assert page.stdout == "200\n"
    # A program may have folders with names such as ours once were.
    for name in NAMES_OF_OTHERS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('WHOSE = "the program\'s"')
    (tmp_path / "program.py").write_text(PROGRAM)
    subprocess.run([own, tmp_path / "program.py"], cwd=tmp_path, check=True)
    log = (tmp_path / "log").read_text()
    assert "Application shutdown complete" in log
    assert "Traceback" not in log
