"""anomalib's image models, exported by anomalib, imported and served by Takt, from the file.

    python -m benchmarks.anomalib_models --anomalib-python VENV/bin/python --good DIR \
        --pictures DIR --out DIR [--models Padim,Stfpm] [--timeout 600] [--docs docs/imported.md]

Each model is built by anomalib with its defaults and random weights, since none may be downloaded;
what needs statistics is fitted on the good pictures (`anomalib_models_peer.py`). anomalib exports
it by `engine.export(model, "onnx")` and answers the pictures by its own torch path,
`Engine.predict`, from the files. What `takt import onnx` makes of the graph, and the service's own
code from the file on, answer the same files. Scores and maps are normalised by anomalib to 0..1;
the table has the largest differences. With --docs it is written between the markers of that page.
What stands in --out is not made again: remove a model's folder, or its row.json, to do it anew.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from export.errors import ExportError
from export.imported.source import ImportOptions, open_source
from export.pictures import list_pictures, look_at
from service.core.engines.onnxruntime import OnnxRuntimeEngine

LIMIT = 1e-4
BEGIN, END = "<!-- anomalib's models: begin -->", "<!-- anomalib's models: end -->"


@dataclass(frozen=True)
class Row:
    """What became of a model.

    Attributes:
        model: name of its class in anomalib.
        failed: step that failed, and why; empty where it is served.
        batch: most pictures that the graph takes at once; `any`, or a number.
        score: largest difference of a score from the file, on a scale of 0..1.
        anomaly_map: largest difference of a map from the file, likewise.
        resize: filter of the bundle.
        told: warnings of the import.
    """

    model: str
    failed: str = ""
    batch: str = ""
    score: float | None = None
    anomaly_map: float | None = None
    resize: str = ""
    told: tuple[str, ...] | list[str] = ()

    def line(self) -> str:
        """A row of the table."""
        if self.failed:
            return f"| {self.model} | {self.failed} | | | |"
        found = ["none" if one is None else f"{one:.1e}" for one in (self.score, self.anomaly_map)]
        return f"| {self.model} | imported | {self.batch} | {' | '.join(found)} |"


def main() -> None:
    """Make each model, import it, compare, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anomalib-python", type=Path, required=True)
    parser.add_argument("--good", type=Path, required=True, help="eight or more good pictures")
    parser.add_argument("--pictures", type=Path, required=True, help="pictures to compare")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", help="names with commas between; all of anomalib's if left out")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for each model")
    parser.add_argument("--docs", type=Path)
    given = parser.parse_args()
    pictures = list_pictures(given.pictures)
    names = given.models.split(",") if given.models else _names(given.anomalib_python)
    rows = []
    for name in names:
        folder = given.out.resolve() / name
        kept = folder / "row.json"
        if kept.exists():
            rows.append(Row(**json.loads(kept.read_text())))
        else:
            facts = _made(name, folder, given)
            rows.append(_compared(name, folder, facts, given.good, pictures))
            kept.write_text(json.dumps(asdict(rows[-1])))
        print(rows[-1].line(), *rows[-1].told, sep="\n    ", flush=True)
    served = [row for row in rows if row.score is not None]
    exact = [row.model for row in served if row.score <= LIMIT]  # type: ignore[operator]
    print(f"{len(rows)} models, {len(served)} imported, {len(exact)} within {LIMIT:g}")
    if given.docs:
        _write(given.docs, rows)


def _names(python: Path) -> list[str]:
    code = "import anomalib.models.image as m; print(*m.__all__)"
    done = subprocess.run([python, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return sorted(done.stdout.split())


def _made(name: str, folder: Path, given: argparse.Namespace) -> dict[str, object]:
    """Facts of the peer on one model; from an earlier run where there was one."""
    kept = folder / "reply.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *(str(given.anomalib_python), str(Path(__file__).with_name("anomalib_models_peer.py"))),
        *("--model", name, "--good", str(given.good.resolve())),
        *("--asked", str(given.pictures.resolve()), "--out", str(folder)),
    ]
    facts: dict[str, object]
    with (folder / "err").open("w") as log:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=log, cwd=folder, timeout=given.timeout
            )
            facts = json.loads(done.stdout.splitlines()[-1])
        except subprocess.TimeoutExpired:
            reason = f"not within {given.timeout:g} s"
            facts = {"failed": {"step": "made", "reason": reason}}
        except (IndexError, ValueError):
            facts = {"failed": {"step": "made", "reason": "it ended without an answer"}}
    kept.write_text(json.dumps(facts))
    return facts


def _compared(
    name: str, folder: Path, facts: dict[str, object], good: Path, pictures: tuple[Path, ...]
) -> Row:
    failed = facts.get("failed")
    if isinstance(failed, dict):
        return Row(name, f"not {failed['step']}: {_shortened(failed['reason'])}")
    told: list[str] = []
    try:
        source = open_source(
            Path(str(facts["onnx"])), list_pictures(good)[:1], ImportOptions(), tell=told.append
        )
        preprocess = source.facts.preprocess
        source.write_graph(folder / "bundle.onnx", preprocess.input)
    except ExportError as error:
        return Row(name, f"refused: {_shortened(error)}")
    answers = np.load(folder / "torch.npz")
    scores, maps = [], []
    with closing(OnnxRuntimeEngine.open(folder / "bundle.onnx", threads=0)) as engine:
        for path in pictures:
            found = look_at(engine, path, source.facts).answer
            scores.append(abs(float(answers[f"{path.name}/score"]) - found.score))
            if f"{path.name}/map" in answers:
                maps.append(float(np.abs(answers[f"{path.name}/map"] - found.anomaly_map).max()))
    batch = str(source.facts.max_batch_size or "any")
    return Row(
        name,
        batch=f"{batch}, padded" if source.facts.padded_batch else batch,
        score=max(scores),
        anomaly_map=max(maps) if maps else None,
        resize=preprocess.resize,
        told=tuple(line for line in told if line.startswith("warning")),
    )


def _shortened(reason: object) -> str:
    text = re.sub(r"/\S*/", "", str(reason)).replace("|", "/")
    text = text.removeprefix("NotImplementedError: ")
    return text if len(text) <= 160 else f"{text[:157]}…"


def _write(page: Path, rows: list[Row]) -> None:
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    head = "| model | | batch | score | map |\n|---|---|---|---|---|"
    table = "\n".join([head, *(row.line() for row in rows)])
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
