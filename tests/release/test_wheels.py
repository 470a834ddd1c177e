"""Both distributions, built as they are released and installed where nothing else of them is."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from tests.tree import SOURCES, copy_tracked, tracked

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
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


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The service's and the client's, each built from its source distribution alone."""
    folder = tmp_path_factory.mktemp("release")
    tree = folder / "tree"
    copy_tracked(tree)
    for source in (tree, tree / "clients/python"):
        command = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    (service,) = (folder / "dist").glob("takt_inspection-*.whl")
    (client,) = (folder / "dist").glob("takt_client-*.whl")
    return service, client


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_names_and_metadata_are_those_of_this_version(wheels: tuple[Path, Path]) -> None:
    for wheel, name in zip(wheels, ("takt-inspection", "takt-client"), strict=True):
        assert wheel.name == f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl"
        with zipfile.ZipFile(wheel) as archive:
            (place,) = (one for one in archive.namelist() if one.endswith("/METADATA"))
            told = Metadata.from_email(archive.read(place))
        assert (told.name, str(told.version)) == (name, VERSION)
        assert told.license_expression == "Apache-2.0"
        assert told.description


def test_a_wheel_has_every_file_of_its_packages_and_no_other(wheels: tuple[Path, Path]) -> None:
    service, client = map(names_in, wheels)
    wanted = {
        name.partition("/")[2] for name in tracked() if re.match("(service|export|models)/", name)
    }
    assert wanted <= service
    tops = {name.partition("/")[0] for name in service}
    packages = SOURCES.keys() - {"takt_client"}
    assert tops == packages | {f"takt_inspection-{VERSION}.dist-info"}
    assert {name.partition("/")[0] for name in client} == {
        "takt_client",
        f"takt_client-{VERSION}.dist-info",
    }


def test_a_wheel_names_whose_weights_its_model_has(wheels: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(wheels[0]) as archive:
        (place,) = (
            one
            for one in archive.namelist()
            if one.endswith("licenses/service/takt/commands/demo/NOTICE")
        )
        assert "EfficientNet-Lite0" in archive.read(place).decode()
        assert "CC BY-SA" not in archive.read(place).decode()


def test_a_source_distribution_brings_the_licence_and_no_pictures_of_examples(
    wheels: tuple[Path, Path],
) -> None:
    for archive in wheels[0].parent.glob("*.tar.gz"):
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
    wheels: tuple[Path, Path], tmp_path: Path, python: str
) -> None:
    found = shutil.which(python)
    assert found, f"no {python} here: install Debian's package `{python}-venv`"
    place = tmp_path / "venv"
    subprocess.run([found, "-m", "venv", str(place)], check=True)
    service, client = wheels
    own = place / "bin/python"
    install = [own, "-m", "pip", "install", "--quiet", f"{service}[cpu]", client]
    subprocess.run(install, cwd=tmp_path, check=True)
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
    assert "pip install 'takt-inspection[export]'" in " ".join(lacking.stderr.split())
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
    log = (tmp_path / "log").read_text()
    assert "Application shutdown complete" in log
    assert "Traceback" not in log
