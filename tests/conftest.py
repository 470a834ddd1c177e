"""Bundles, pictures and servers that the tests make for themselves."""

from __future__ import annotations

import gc
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import httpx._transports.default as transports
import numpy as np
import onnx
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG, create_ssl_context
from numpy.typing import NDArray
from onnx import TensorProto, helper

from takt.core.bundles.bundle import Bundle, Calibration, Golden
from takt.core.bundles.manifest import (
    Drift,
    InputType,
    Manifest,
    MapSpec,
    Preprocess,
    Thresholds,
)
from takt.core.bundles.writing import save_bundle
from takt.recording.record import Record, open_record
from tests.forked import Forked, forking
from tests.plugins import Groups, install
from tests.ports import kept_port
from tests.recording_databases import PostgresServer, postgres_server
from tests.targets import COLLECTED, OF_FOLDER, ROOT, is_below

SIDE = 32

MakeBundle = Callable[..., Bundle]
WritePictures = Callable[..., list[Path]]
InstallPlugins = Callable[..., None]


# A server that a test starts keeps no record, unless the test says where.
os.environ.setdefault("TAKT_RECORD", "none")

# httpx waits for five seconds, and a busy machine may take longer for any answer.
for _step in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _step, 60.0)


@cache
def _usual_context(*_: str | None) -> ssl.SSLContext:
    return create_ssl_context()


def _create_context_once(
    verify: Any = True, cert: Any = None, trust_env: bool = True
) -> ssl.SSLContext:
    if verify is not True or cert is not None or not trust_env:
        return create_ssl_context(verify, cert, trust_env)
    return _usual_context(*map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))


# httpx reads all certificates of the machine for each client, in up to 25 ms of the processor.
vars(transports)["create_ssl_context"] = _create_context_once


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of some folders, and keep what was found before marks leave any out."""
    for item in items:
        path = item.path.relative_to(ROOT).as_posix()
        for folder, mark in OF_FOLDER.items():
            if is_below(path, folder):
                item.add_marker(mark)
    config.stash[COLLECTED] = list(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Spare the garbage collector what stays to the end: torch, and thousands of tests.

    An app is thousands of objects, so that by default it would look at all that there are every
    few tests.
    """
    gc.disable()
    yield
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000)


def brightness_graph(
    side: int = SIDE, *, scale: float = 1.0, input_type: InputType = "uint8"
) -> onnx.ModelProto:
    """`anomaly_map` = mean of the channels / 255 · scale, `score` = its maximum."""
    elements = TensorProto.UINT8 if input_type == "uint8" else TensorProto.FLOAT
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float", "channel"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["anomaly_map"]),
        helper.make_node("ReduceMax", ["anomaly_map", "plane"], ["score"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("images", elements, ["N", side, side, 3])],
        [
            helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, ["N", side, side]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"]),
        ],
        [
            helper.make_tensor("channel", TensorProto.INT64, [1], [3]),
            helper.make_tensor("plane", TensorProto.INT64, [2], [1, 2]),
            helper.make_tensor("scale", TensorProto.FLOAT, [], [scale / 255]),
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="tests"
    )


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "models"


def bundle_maker(repository: Path) -> MakeBundle:
    """Writes a bundle whose model answers brightness times `scale`; 0.5 is its threshold.

    It was trained to answer brightness times `trained`. A graph of float32 takes what torchvision's
    filter leaves.
    Files that are kept besides come by their names. Further arguments are fields of the manifest,
    instead of those here.
    """

    def make(
        name: str = "parts",
        version: str = "1",
        *,
        scale: float = 1.0,
        trained: float = 1.0,
        input_type: InputType = "uint8",
        kept: Mapping[str, bytes] | None = None,
        **fields: object,
    ) -> Bundle:
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8).astype(input_type)
        anomaly_map = (images.mean(axis=-1) / 255 * trained).astype(np.float32)
        golden = Golden(images, anomaly_map, anomaly_map.max(axis=(1, 2)))
        good = np.linspace(0.1, 0.49, 40, dtype=np.float32)
        none = np.zeros(0, np.float32)

        def manifest(files: dict[str, str]) -> Manifest:
            ours = {
                "name": name,
                "version": version,
                "family": "brightness",
                "variant": "tiny",
                "framework": "tests",
                "preprocess": Preprocess(
                    width=SIDE,
                    height=SIDE,
                    resize="area" if input_type == "uint8" else "tensor_bilinear",
                    input=input_type,
                ),
                "map": MapSpec(width=SIDE, height=SIDE, low=0.1),
                "thresholds": Thresholds(
                    image=0.5, pixel=0.5, method="by hand", alpha=None, good_count=len(good)
                ),
                "drift": Drift(pictures=3, score=0.0, anomaly_map=0.0),
                "made_with": {"tests": "0"},
                "created_at": "2026-01-01T00:00:00Z",
                "files": files,
            }
            return Manifest.model_validate(ours | fields)

        return save_bundle(
            repository / name / version,
            golden,
            Calibration(good, good, none, none),
            lambda path: onnx.save(brightness_graph(scale=scale, input_type=input_type), path),
            manifest,
            kept or {},
        )

    return make


@pytest.fixture
def make_bundle(repository: Path) -> MakeBundle:
    """Writes bundles into the test's repository, as `bundle_maker` says."""
    return bundle_maker(repository)


@pytest.fixture
def bundle(make_bundle: MakeBundle) -> Bundle:
    return make_bundle()


def flat_picture(
    level: int, size: tuple[int, int] = (64, 48), spot: int | None = None
) -> NDArray[np.uint8]:
    """A grey picture of (width, height), with a brighter square in the middle if `spot`."""
    width, height = size
    picture = np.full((height, width, 3), level, np.uint8)
    if spot is not None:
        picture[height // 4 : height // 2, width // 4 : width // 2] = spot
    return picture


@pytest.fixture
def picture_bytes() -> Callable[..., bytes]:
    """An encoded grey picture of a level, with a bright spot if asked."""

    def encode(level: int = 50, suffix: str = ".png", **kwargs: object) -> bytes:
        ok, data = cv2.imencode(suffix, flat_picture(level, **kwargs))  # type: ignore[arg-type]
        assert ok
        return data.tobytes()

    return encode


@pytest.fixture(scope="session")
def write_pictures() -> WritePictures:
    """Writes `count` PNGs of noise into a folder; another seed gives other pictures.

    Those of more than 8 bits are in files of 16.
    """

    def write(
        folder: Path,
        count: int,
        *,
        seed: int = 0,
        high: int = 200,
        size: tuple[int, int] = (80, 60),
        bits: int = 8,
    ) -> list[Path]:
        folder.mkdir(parents=True)
        rng = np.random.default_rng((seed, high))
        paths = []
        for number in range(count):
            path = folder / f"{number:03}.png"
            coarse = rng.integers(0, high, (12, 16, 3), dtype=np.uint8)
            picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
            if bits > 8:
                picture = picture.astype(np.uint16) << (bits - 8)
            cv2.imwrite(str(path), picture)
            paths.append(path)
        return paths

    return write


@pytest.fixture
def install_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InstallPlugins]:
    """Installs a distribution with plugins, as `install` does, for this process and its children.

    Its modules are forgotten after the test.
    """
    made: list[str] = []

    def put(groups: Groups, modules: dict[str, str], name: str = "takt-made-up") -> None:
        folder = install(tmp_path / "installed" / name, groups, modules, name)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        made.extend(modules)

    yield put
    for module in made:
        sys.modules.pop(module, None)


TAKT = Path(sys.executable).with_name("takt")

Process = subprocess.Popen[str] | Forked


@dataclass(frozen=True)
class Server:
    url: str
    process: Process
    log: list[str]
    reader: threading.Thread

    def stop(self) -> int:
        """End it; from then on the log is whole."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.reader.join(timeout=60)
        return code


StartServer = Callable[..., AbstractContextManager[Server]]


def _start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen([str(TAKT), *arguments], stderr=subprocess.PIPE, text=True)


@contextmanager
def run_server(
    repository: Path,
    *options: str,
    told: str = " is ready on ",
    start: Callable[[Sequence[str]], Process] = _start,
) -> Iterator[Server]:
    """`takt serve` on a free port, once its models are ready, or its log has told that.

    `start` makes the process. After its end another one may have the port, as long as the block.
    """
    with kept_port() as port:
        process = start(["serve", "--repository", str(repository), "--port", f"{port}", *options])
        yield from _running(process, told)


def _running(process: Process, told: str) -> Iterator[Server]:
    assert process.stderr is not None
    log: list[str] = []
    url, ready = "", False
    reader = threading.Thread(target=log.extend, args=(process.stderr,), daemon=True)
    try:
        for line in process.stderr:
            log.append(line)
            found = re.search(r"running on (https?://\S+)", line)
            url = found[1] if found else url
            ready = ready or told in line
            if url and ready:
                break
        else:
            pytest.fail("the server ended:\n" + "".join(log))
        reader.start()
        yield Server(url, process, log, reader)
    finally:
        process.kill()
        process.wait()
        if reader.ident is not None:
            # Of several workers each ends once it sees that its supervisor is gone.
            reader.join(timeout=60)
        process.stderr.close()


@pytest.fixture(scope="session")
def start_server() -> StartServer:
    """Starts a real server process; it ends with the block."""
    return run_server


@pytest.fixture(scope="session")
def fork_server() -> Iterator[StartServer]:
    """Starts a server of one process that is forked, for tests of what it does once it runs."""
    with forking() as start:
        yield partial(run_server, start=start)


@pytest.fixture(scope="session")
def made_up_defects_left_out() -> Iterator[None]:
    """Self-tests make up no defects, which takes dozens of inspections for each export.

    Nor are layers recorded, for which OpenVINO compiles each graph.
    """
    from takt_export.bundling import export_bundle  # imports torch, which most tests never need
    from takt_export.calibration import self_test

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_test, "ROUNDS", 0)
        patch.setattr(export_bundle, "recorded_layers", lambda *_: {})
        yield


@pytest.fixture(scope="session")
def traced_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Traces each graph once for all workers of a run."""
    from tests.traced_once import each_graph_once  # imports torch, which most tests never need

    base = tmp_path_factory.getbasetemp()
    of_run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with each_graph_once(of_run / "graphs"):
        yield


@pytest.fixture(scope="session")
def declared_once() -> Iterator[None]:
    """Has FastAPI read each declaration of a route once for all apps of this process."""
    from tests.declared_once import each_declaration_once  # imports FastAPI

    with each_declaration_once():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of Debian's package; the test is skipped where that is missing."""
    if PostgresServer.installed() is None:
        said = "no PostgreSQL here: install Debian's package `postgresql`"
        if os.environ.get("TAKT_REQUIRE_POSTGRESQL"):
            pytest.fail(said)
        pytest.skip(said)
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_once() -> Iterator[None]:
    """Runs the migrations of a record once for all new databases in SQLite of this process."""
    from tests.migrated_once import each_migration_once  # imports Alembic

    with each_migration_once():
        yield


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def record(request: pytest.FixtureRequest, tmp_path: Path, migrated_once: None) -> Iterator[Record]:
    """An empty record, in SQLite and then in PostgreSQL."""
    url = "sqlite"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_url()
    opened = open_record(tmp_path / "data", url)
    assert opened is not None
    yield opened
    opened.close()


@pytest.fixture
def sqlite_record(tmp_path: Path, migrated_once: None) -> Iterator[Record]:
    """An empty record in SQLite, for what does not depend on the database."""
    opened = open_record(tmp_path / "data", "sqlite")
    assert opened is not None
    yield opened
    opened.close()
