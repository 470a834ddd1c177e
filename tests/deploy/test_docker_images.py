"""The container images: what their Dockerfiles build here, started and asked as a user would."""

from __future__ import annotations

import json
import runpy
import shutil
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import trustme

from takt.configuration import load_settings
from takt.security.keys.key import new_key
from takt.security.keys.key_file import format_keys
from takt.settings import ENV_PREFIX, Settings
from tests.deploy.deploy_tools import program
from tests.deploy.dockerfile import Context, Stage, assignments, stages
from tests.deploy.image_build import Builder, Image, confined_prefix, running, tree
from tests.tree import SOURCES, declared

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "examples/models"
PICTURE = ROOT / "examples/pictures/good/01_200828160410_635000_270_crop_2.jpg"
KINDS = ("cpu", "gpu")
PATIENCE_S = 60


def dockerfile(kind: str) -> Path:
    return ROOT / f"docker/{kind}.Dockerfile"


def last_stage(kind: str) -> Stage:
    return stages(dockerfile(kind).read_text(encoding="utf-8"))[-1]


def built(kind: str, folder: Path, *, locked: bool) -> Image:
    image = Builder(folder, Context.of(ROOT), locked=locked).build(dockerfile(kind))
    shutil.copytree(MODELS, image.root / "bundles", dirs_exist_ok=True)
    return image


@pytest.fixture(scope="module", params=KINDS)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Each image, with this environment's packages instead of the locked ones."""
    return built(request.param, tmp_path_factory.mktemp(request.param), locked=False)


@contextmanager
def served(
    image: Image, volume: Path | None = None, **variables: str
) -> Iterator[tuple[str, Callable[[], int]]]:
    """The address of a container that has become healthy, and its health check."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = image.variables(**variables, TAKT_PORT=str(port))
    command = image.command(image.stage.only("HEALTHCHECK"))

    def health() -> int:
        return subprocess.run(command, env=environment, timeout=10).returncode

    with running(image, environment, volume) as process:
        deadline = time.monotonic() + PATIENCE_S
        while health() != 0:
            assert time.monotonic() < deadline, f"it is not healthy:\n{image.log.read_text()}"
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.2)
                pytest.fail(f"the container ended:\n{image.log.read_text()}")
        yield f"http://127.0.0.1:{port}", health


def new_volume(image: Image, folder: Path) -> Path:
    """As Docker makes one for /data: with the mode that the image has there."""
    volume = folder / "volume"
    volume.mkdir()
    volume.chmod((image.root / "data").stat().st_mode & 0o7777)
    return volume


def check_that_it_inspects(image: Image, volume: Path | None = None, **variables: str) -> None:
    before = tree(image.root)
    key, secret = new_key("camera", frozenset({"inspect"}))
    keys = format_keys([key]).decode()
    with served(image, volume, TAKT_KEYS=keys, **variables) as (url, health):
        answer = httpx.post(
            f"{url}/v1/models/pitting/inspect",
            content=PICTURE.read_bytes(),
            headers={"Authorization": f"Bearer {secret}"},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["anomalous"] is False
        assert health() == 0
    assert health() == 1
    assert [json.loads(line) for line in image.log.read_text().splitlines()]
    assert tree(image.root) == before


def complaints(image: Image) -> list[str]:
    """What the log says of the record, beside where it is."""
    lines = [json.loads(line) for line in image.log.read_text().splitlines()]
    ours = [line for line in lines if line["logger"] == "takt.record"]
    return [line["message"] for line in ours if line["level"] != "info"]


def recorded(volume: Path) -> list[tuple[str, int]]:
    """Model and whether it is anomalous, of each inspection in a volume."""
    with closing(sqlite3.connect(volume / "record.sqlite")) as database:
        return list(database.execute("SELECT model, anomalous FROM inspections"))


def test_each_image_inspects_and_writes_nothing_outside_tmp_and_its_volume(
    image: Image, tmp_path: Path
) -> None:
    on_gpu = "TAKT_ENGINE" in image.environment
    volume = new_volume(image, tmp_path)
    check_that_it_inspects(image, volume, **({"TAKT_PROVIDER_FALLBACK": "true"} if on_gpu else {}))
    # Where the tests may not mount, the image's own folder stands for the volume.
    assert recorded(volume if confined_prefix(image) else image.root / "data") == [("pitting", 0)]
    assert complaints(image) == []


@pytest.mark.slow
def test_without_a_volume_a_container_inspects_and_says_once_that_it_keeps_no_record(
    image: Image,
) -> None:
    if not confined_prefix(image):
        pytest.skip("only root may mount, which this takes")
    check_that_it_inspects(image, TAKT_PROVIDER_FALLBACK="true")
    (away, lost) = complaints(image)
    assert "/data/record.sqlite cannot be used" in away and "1 inspections are missing" in lost


def test_without_keys_a_container_ends_with_a_line_that_says_what_to_do(image: Image) -> None:
    with running(image, image.variables()) as process:
        assert process.wait(timeout=PATIENCE_S) != 0
    (line,) = image.log.read_text().splitlines()
    assert "takt keys add" in line and "--insecure" in line


@pytest.mark.slow
def test_the_cpu_image_inspects_with_exactly_the_locked_packages(tmp_path: Path) -> None:
    image = built("cpu", tmp_path, locked=True)
    check_that_it_inspects(image, volume := new_volume(image, tmp_path))
    assert recorded(volume if confined_prefix(image) else image.root / "data") == [("pitting", 0)]
    python = image.below("/opt/takt/bin/python")
    subprocess.run([python, "-I", "-c", "import psycopg; psycopg.pq.version()"], check=True)
    # Hundreds of megabytes, which pytest would keep for three runs.
    shutil.rmtree(tmp_path)


def test_what_the_image_holds_is_its_own_and_not_the_checkout(image: Image) -> None:
    code = (
        "import takt, takt_export, takt_client; "
        "print(*(one.__file__ for one in (takt, takt_export, takt_client)))"
    )
    python = image.below("/opt/takt/bin/python")
    loaded = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert all(place.startswith(f"{image.root}/") for place in loaded.stdout.split())


def test_the_packages_in_the_image_are_those_of_the_source_tree(image: Image) -> None:
    (site,) = (image.root / "opt/takt/lib").glob("python*/site-packages")
    for package, root in SOURCES.items():
        # Of the others, `takt_models` needs torch; plugins are for images of one's own.
        if package not in ("takt", "takt_export", "takt_client"):
            assert not (site / package).exists()
            continue
        inside = {str(file.relative_to(site)) for file in (site / package).rglob("*.py")}
        source = {str(file.relative_to(root)) for file in (root / package).rglob("*.py")}
        assert inside == source


def test_a_process_of_the_image_is_its_user_and_writes_to_tmp_only(image: Image) -> None:
    prefix = confined_prefix(image)
    if not prefix:
        pytest.skip("only root may mount, which this takes")
    attempt = (
        "id -u; for place in opt bundles data tmp; do touch $0/$place/n && echo $place; done; true"
    )
    command = [*prefix, "/bin/sh", "-c", attempt, str(image.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    user = image.stage.only("USER").text.partition(":")[0]
    assert done.stdout.split() == [user, "tmp"]


def test_any_user_may_read_what_an_image_holds(image: Image) -> None:
    for place in (image.root / "opt/takt").rglob("*"):
        if not place.is_symlink():
            needed = 0o005 if place.is_dir() else 0o004
            assert place.stat().st_mode & needed == needed, place


@pytest.mark.parametrize(
    ("given", "port"), [(None, 8000), ("9000", 9000), ("tcp://10.0.0.1:8000", 8000)]
)
def test_the_health_check_asks_the_port_that_the_server_takes(
    given: str | None, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAKT_PORT", raising=False)
    if given is not None:
        monkeypatch.setenv("TAKT_PORT", given)
    assert runpy.run_path(str(ROOT / "docker/healthcheck.py"))["port"]() == port
    assert load_settings().port == port


@contextmanager
def answering(status: int, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of something that answers everything with a status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("way", ["plain", "TLS", "metrics beside TLS"])
def test_the_health_check_asks_in_the_way_that_the_server_answers(
    way: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("takt.plant.example").configure_cert(tls)
    with answering(status, tls if way == "TLS" else None) as port:
        if way != "plain":
            monkeypatch.setenv("TAKT_TLS_CERTIFICATE", "/etc/takt/tls.crt")
        name = "TAKT_METRICS_PORT" if way.startswith("metrics") else "TAKT_PORT"
        monkeypatch.setenv(name, str(port))
        main = runpy.run_path(str(ROOT / "docker/healthcheck.py"))["main"]
        assert main() == (0 if status == 200 else 1)
    assert main() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_user_is_a_number_that_is_made_in_the_image_and_is_not_root(kind: str) -> None:
    stage = last_stage(kind)
    user, _, group = stage.only("USER").text.partition(":")
    assert int(user) >= 10_000 and int(group) >= 10_000
    (accounts,) = [step.text for step in stage.steps if "useradd" in step.text]
    assert f"useradd --uid {user} --gid {group}" in accounts
    assert f"groupadd --gid {group}" in accounts


def test_the_record_is_in_a_folder_that_any_user_of_a_container_may_write(image: Image) -> None:
    assert image.environment["TAKT_DATA_FOLDER"] == "/data"
    assert (image.root / "data").stat().st_mode & 0o7777 == 0o1777
    assert f"chown {image.stage.only('USER').text} {image.root}/data" in image.accounts


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_in_an_image_exists_and_the_port_is_the_default(kind: str) -> None:
    stage = last_stage(kind)
    names = {
        name for step in stage.steps if step.name == "ENV" for name, _ in assignments(step.text)
    }
    ours = {name.removeprefix(ENV_PREFIX).lower() for name in names if name.startswith(ENV_PREFIX)}
    assert "host" in ours
    assert ours <= set(Settings.model_fields)
    assert stage.only("EXPOSE").text == str(Settings().port)


@pytest.mark.parametrize("kind", KINDS)
def test_the_labels_name_the_projects_version_and_licence(kind: str) -> None:
    labels = dict(assignments(last_stage(kind).only("LABEL").text))
    prefix = "org.opencontainers.image"
    assert labels[f"{prefix}.version"] == declared("takt-inspection")["version"]
    assert labels[f"{prefix}.licenses"] == declared("takt-inspection")["license"]


@pytest.mark.parametrize(
    "kept_out",
    [".git/config", ".venv/bin/python", ".env", "tests/conftest.py", "service/__pycache__/a.pyc",
     "clients/python/tests/conftest.py",
     "examples/models/pitting/1/model.onnx", "docker/cpu.Dockerfile", "bundles/a/1/model.onnx"],
)  # fmt: skip
def test_the_builder_gets_only_what_is_copied(kept_out: str) -> None:
    assert not Context.of(ROOT).has(kept_out)


def test_a_source_that_is_not_there_fails_the_build(tmp_path: Path) -> None:
    broken = tmp_path / "Dockerfile"
    text = dockerfile("cpu").read_text(encoding="utf-8")
    broken.write_text(text.replace("docker/healthcheck.py", "docker/health.py"))
    builder = Builder(tmp_path, Context.of(ROOT), locked=False)
    with pytest.raises(FileNotFoundError, match=r"docker/health\.py"):
        builder.build(broken)


@pytest.mark.parametrize("kind", KINDS)
def test_hadolint_finds_nothing(kind: str) -> None:
    linted = subprocess.run(
        [program("hadolint"), str(dockerfile(kind))], capture_output=True, text=True
    )
    assert linted.returncode == 0, linted.stdout
