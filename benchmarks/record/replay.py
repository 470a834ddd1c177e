"""Bar 6: what a server has recorded, replayed: every family of detectors on every engine.

    python -m benchmarks.record.replay [--count 500] [--bundles DIR] [--json FILE]

A bundle of each family, with variants for OpenVINO in bfloat16 and 8 bits, is served by each engine
in turn, with a record that keeps every picture; four clients post at once. `takt replay --all` then
asks each inspection again: verdicts must be the same, and scores within 1e-6, or 1e-6 of them where
they are above 1. ONNX Runtime runs a second time in batches of up to four, which sum up in another
order than one picture alone. Last, one bit of each bundle's graph is flipped, and the replay must
refuse it. The INP-Former is a small one of random weights unless another checkpoint is named.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import httpx
import numpy as np

from benchmarks.realtime.server import TAKT, TaktServer
from service.core.bundles.bundle import load_bundle

EXAMPLES = Path(__file__).parents[2] / "examples"
FIXTURES = Path(os.environ.get("TAKT_FIXTURES", Path(__file__).parents[3] / "shared/fixtures"))
EXAMPLE_OF = {
    "efficientad": EXAMPLES / "models/pitting/1",
    "patchcore": EXAMPLES / "bank/pitting/1",
}
FAMILIES = (*EXAMPLE_OF, "inpformer")
PRECISIONS = ("bf16", "int8")
BATCHES = "onnxruntime in batches"
ENGINES = ("onnxruntime", BATCHES, "openvino", *(f"openvino-{one}" for one in PRECISIONS))
OPTIONS = {
    BATCHES: ("--engine", "onnxruntime", "--max-batch-size", "4"),
    "openvino": ("--engine", "openvino", "--engine-instances", "2", "--engine-threads", "1"),
}
"""Options of a server; without, the engine alone, with a picture at a time on all cores."""

CLIENTS = 4
MOST = 1e-6


@dataclass(frozen=True, slots=True)
class Family:
    """A family's bundle.

    Attributes:
        name: of the family.
        repository: folder of this bundle alone.
        model: its name.
        version: its version.
        engines: that it can be served by.
    """

    name: str
    repository: Path
    model: str
    version: str
    engines: tuple[str, ...]

    @property
    def bundle(self) -> Path:
        """The bundle's folder."""
        return self.repository / self.model / self.version


@dataclass(frozen=True, slots=True)
class Row:
    """What the replays of one family on one engine have found.

    Attributes:
        family: of the detector.
        engine: value of the setting.
        replayed: inspections.
        rejects: of them, as recorded.
        same_engine: replays of which everything was as recorded.
        same_verdict: replays with the recorded verdict.
        reproduced: replays with the recorded answer, regions included.
        score_difference: the largest.
        of_score: the largest, as a part of the score where that is above 1.
        peak_difference: the largest.
        highest_score: that was recorded, to which float32 rounds.
    """

    family: str
    engine: str
    replayed: int
    rejects: int
    same_engine: int
    same_verdict: int
    reproduced: int
    score_difference: float
    of_score: float
    peak_difference: float
    highest_score: float

    @property
    def met(self) -> bool:
        """Whether the bar is met here."""
        whole = {self.same_engine, self.same_verdict, self.reproduced} == {self.replayed}
        return whole and self.of_score <= MOST


@click.command()
@click.option("--count", type=click.IntRange(1), default=500, show_default=True)
@click.option(
    "--inpformer",
    type=click.Path(path_type=Path, exists=True),
    default=FIXTURES / "inpformer_official_micro/model.pth",
    show_default=True,
    help="Checkpoint of an INP-Former.",
)
@click.option(
    "--bundles",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the bundles, which stay there and are made where they are missing.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(count: int, inpformer: Path, bundles: Path | None, json_path: Path | None) -> None:
    """Record, replay and print a table."""
    with tempfile.TemporaryDirectory(prefix="takt-replay-") as folder:
        made = bundles or Path(folder) / "bundles"
        if not made.is_dir():
            _make_bundles(made, inpformer)
        families = [
            Family(name, Path(folder) / name, *_served(made / name, Path(folder) / name))
            for name in FAMILIES
        ]
        cells = [(family, engine) for family in families for engine in family.engines]
        each = -(-count // len(cells))
        rows = []
        for number, (family, engine) in enumerate(cells):
            data = Path(folder) / f"data-{number}"
            _record(family, engine, data, list(pictures(each, seed=number)))
            rows.append(_row(family.name, engine, _replays(family, data)))
            click.echo(_line(rows[-1]))
        refused = {
            family.name: _refused(family, Path(folder) / f"data-{number}")
            for number, (family, engine) in enumerate(cells)
            if engine == ENGINES[0]
        }
    for name, reason in refused.items():
        click.echo(f"{name}, one bit flipped: {reason or 'REPLAYED'}")
    total = sum(row.replayed for row in rows)
    missed = [f"{row.family} on {row.engine}" for row in rows if not row.met]
    missed += [f"{name} with a flipped bit" for name, reason in refused.items() if not reason]
    missed += [f"{total} inspections"] if total < count else []
    largest = max(row.score_difference for row in rows)
    click.echo(f"{total} inspections replayed; largest difference of a score {largest:.3g}")
    if json_path is not None:
        told = {"rows": [asdict(row) for row in rows], "refused": refused}
        json_path.write_text(json.dumps(told, indent=1))
    click.echo("bar 6: met" if not missed else f"bar 6: MISSED ({', '.join(missed)})")
    if missed:
        raise SystemExit(1)


def pictures(count: int, seed: int) -> Iterator[bytes]:
    """The shipped pictures, altered: turned, brighter or darker, noisy, and in several formats."""
    files = sorted(EXAMPLES.glob("pictures/*/*.jpg"))
    rng = np.random.default_rng(seed)
    for number in range(count):
        picture = cv2.imread(str(files[number % len(files)]))
        assert picture is not None
        picture = np.rot90(picture, int(rng.integers(4)))
        levels = picture.astype(np.float32) * rng.uniform(0.8, 1.2)
        levels += rng.normal(0, rng.uniform(0, 6), picture.shape)
        altered = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        suffix = (".jpg", ".png", ".bmp", ".webp")[int(rng.integers(4))]
        ok, data = cv2.imencode(suffix, np.ascontiguousarray(altered))
        assert ok
        yield data.tobytes()


def _make_bundles(made: Path, inpformer: Path) -> None:
    """Write a repository for each family, with one bundle and its variants."""
    good = EXAMPLES / "pictures/good"
    for name, example in EXAMPLE_OF.items():
        shutil.copytree(example, made / name / example.parent.name / example.name)
    out = made / "inpformer/inpformer/1"
    # So many of its pictures are over the threshold that verdicts of both kinds are compared.
    rule = ("--alpha", "0.7")
    _takt("export", "onnx", inpformer, "--good", good, "--out", out, *rule, "--quiet")
    for bundle in made.glob("*/*/*"):
        for precision in PRECISIONS:
            # Whether a variant is good enough to serve is not the question here.
            given = ("--precision", precision, "--good", good, "--allow-drift", 1000, "--quiet")
            done = _takt("export", "openvino", bundle, *given, may_fail=True)
            if done.returncode:
                click.echo(f"{bundle}: no variant of {precision}: {done.stderr.strip()[-200:]}")


def _served(made: Path, repository: Path) -> tuple[str, str, tuple[str, ...]]:
    """Copy a repository; gives the model, its version, and the engines that it can be served by."""
    shutil.copytree(made, repository)
    (bundle,) = (path for path in repository.glob("*/*") if path.is_dir())
    variants = {one.name for one in load_bundle(bundle).manifest.variants}
    engines = [one for one in ENGINES if one in variants or not one.startswith("openvino-")]
    return bundle.parent.name, bundle.name, tuple(engines)


def _record(family: Family, engine: str, data: Path, posted: Sequence[bytes]) -> None:
    options = ("--keep", "sample=1", "--timeout-ms", "300000")
    layout = OPTIONS.get(engine, ("--engine", engine))
    where = ("--record", "sqlite", "--data-folder", str(data))
    with (
        TaktServer(family.repository, *options, *where, *layout) as server,
        ThreadPoolExecutor(CLIENTS) as clients,
        httpx.Client(timeout=300) as client,
    ):
        url = f"{server.url}/v1/models/{family.model}/inspect"

        def post(picture: bytes) -> None:
            client.post(url, content=picture).raise_for_status()

        list(clients.map(post, posted))


def _replays(family: Family, data: Path) -> list[dict[str, Any]]:
    where = ("--data-folder", data, "--record", "sqlite", "--repository", family.repository)
    done = _takt("replay", "--all", "--limit", 100_000, "--json", *where, may_fail=True)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not found:
        raise SystemExit(f"nothing was replayed:\n{done.stderr}")
    return found


def _row(family: str, engine: str, replays: Sequence[dict[str, Any]]) -> Row:
    wrong = [one["error"] for one in replays if "error" in one]
    if wrong:
        raise SystemExit(f"{family} on {engine}: {wrong[0]}")
    return Row(
        family=family,
        engine=engine,
        replayed=len(replays),
        rejects=sum(one["recorded"]["anomalous"] for one in replays),
        same_engine=sum(one["tolerance"]["rule"] == "same_engine" for one in replays),
        same_verdict=sum(one["same_verdict"] for one in replays),
        reproduced=sum(one["reproduced"] for one in replays),
        score_difference=max(abs(one["score_difference"]) for one in replays),
        of_score=max(
            abs(one["score_difference"]) / max(1.0, abs(one["recorded"]["score"]))
            for one in replays
        ),
        peak_difference=max(one["peak_difference"] or 0.0 for one in replays),
        highest_score=max(abs(one["recorded"]["score"]) for one in replays),
    )


def _refused(family: Family, data: Path) -> str:
    """Why a bundle with a flipped bit is not replayed; empty if it is."""
    graph = family.bundle / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    replays = _replays(family, data)
    return "" if any("error" not in one for one in replays) else str(replays[0]["error"])


def _line(row: Row) -> str:
    return (
        f"{row.family:12} {row.engine:22} {row.replayed:4} replayed, {row.rejects:4} rejects: "
        f"{row.same_engine:4} same engine, {row.same_verdict:4} same verdict, "
        f"{row.reproduced:4} reproduced; largest difference of a score {row.score_difference:.2g}, "
        f"{row.of_score:.2g} of it (scores to {row.highest_score:.3g}), "
        f"of a peak {row.peak_difference:.2g}"
    )


def _takt(*arguments: object, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
    command = [str(TAKT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done


if __name__ == "__main__":
    main()
