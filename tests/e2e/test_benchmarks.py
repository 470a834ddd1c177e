"""Benchmarks that pages name run in a form of seconds, whose figures have the long one's shape.

What a form needs of pictures and models is made up, so that its figures say nothing. A bar that is
missed is no failure here.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import pytest

from benchmarks.calls import KEPT, PYTHON
from benchmarks.drift.kinds import RULES
from benchmarks.gpu_server import BATCHES, CLIENTS, WORKERS
from benchmarks.realtime.server import TaktServer
from benchmarks.station.line import LIGHT, server_of
from takt_station.plant.box import BoxServer
from tests.conftest import MakeBundle
from tests.made_up_sets import write_set
from tests.unit.benchmarks import test_gpu
from tests.unit.benchmarks.corpus import test_main as corpus
from tests.unit.benchmarks.corpus import test_moves, test_peers, test_teaching, test_thresholds

ROOT = Path(__file__).parents[2]
SLACK = 0.03
"""By how much a request's calls may differ from those that are kept."""

Test = TypeVar("Test", bound=Callable[..., object])
FORMS: dict[str, Callable[..., object]] = {
    "corpus": corpus.test_sets_are_measured_logged_compared_and_left_out,
    "corpus compare": corpus.test_sets_are_measured_logged_compared_and_left_out,
    "corpus leave-one-out": corpus.test_sets_are_measured_logged_compared_and_left_out,
    "corpus thresholds": (
        test_thresholds.test_the_report_has_every_rule_for_each_rate_and_what_each_absence_would_choose
    ),
    "corpus dirty": (
        corpus.test_a_defect_in_the_good_folder_is_named_and_neither_folder_is_asked_about_it
    ),
    "corpus few": corpus.test_few_pictures_are_learned_as_they_are_and_turned,
    "corpus moves": test_moves.test_the_smoke_form_has_a_row_for_each_movement,
    "corpus bears": test_moves.test_the_smoke_form_holds_moved_pictures_against_what_is_said,
    "corpus peers": (
        test_peers.test_detectors_are_asked_whole_and_moved_and_a_run_goes_on_where_it_was
    ),
    "corpus teach": test_teaching.test_each_set_is_taught_judged_wrongly_and_split,
    "gpu.sh": test_gpu.test_both_models_are_measured_in_the_engine_and_served,
}
"""The test that runs the short form of each command; what `runs` marks comes besides."""

needs_wrk = pytest.mark.skipif(
    shutil.which("wrk") is None and not os.environ.get("TAKT_REQUIRE_WRK"),
    reason="wrk is not there: Debian's package wrk",
)
needs_cc = pytest.mark.skipif(
    shutil.which("cc") is None and not os.environ.get("TAKT_REQUIRE_WRK"),
    reason="cc is not there: Debian's package gcc",
)


def runs(*commands: str) -> Callable[[Test], Test]:
    """Marks the test that runs the short forms of these commands."""

    def marked(test: Test) -> Test:
        FORMS.update(dict.fromkeys(commands, test))
        return test

    return marked


def printed(*command: str) -> str:
    """What a benchmark prints; it has to end well."""
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


Told = Callable[..., str]


@pytest.fixture
def told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Told:
    """What a benchmark prints that runs here, where modules are loaded already."""

    def run(module: str, *words: object) -> str:
        main = importlib.import_module(f"benchmarks.{module}").main
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", [module, *map(str, words)])
        try:
            main()
        except SystemExit as end:
            # True, or 1: a bar is missed.
            assert end.code in (None, 0, 1), end.code
        return capsys.readouterr().out

    return run


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """A folder of two sets that bear names which a benchmark asks for."""
    write_set(tmp_path / "sets" / "mvtec_bottle", seed=1, good=40)
    write_set(tmp_path / "sets" / "toy_figures", seed=2)
    return tmp_path / "sets"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "pictures" / "grey.jpg"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.full((64, 64, 3), 90, np.uint8))
    return path


@pytest.fixture
def repository(make_bundle: MakeBundle) -> Path:
    """Of one model, `whole`, that costs nothing."""
    return make_bundle("whole").path.parents[1]


@pytest.fixture
def in_a_thread(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has a benchmark do in a thread what it does in processes."""

    def instead(module: str) -> None:
        monkeypatch.setattr(
            f"benchmarks.{module}.ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1)
        )

    return instead


def numbers(pattern: str, text: str) -> list[tuple[float, ...]]:
    """The groups of each match as finite numbers that are not negative; there is one at least."""
    found = [
        tuple(float(one.replace(",", "")) for one in match.groups())
        for match in re.finditer(pattern, text, re.MULTILINE)
    ]
    assert found, f"nothing like {pattern} in:\n{text}"
    assert all(math.isfinite(one) and one >= 0 for row in found for one in row), found
    return found


@runs("peers/bench.py")
@needs_wrk
def test_the_comparison_with_other_serving_systems_has_figures_of_ours() -> None:
    text = printed("benchmarks/peers/bench.py", "--smoke", "--prepare")

    ((rate, _),) = numbers(r"^ours +null +256 c1 +\| +(\d+\.\d)/s p50 .* errors (0) \|", text)
    assert rate > 0
    assert re.search(r"^ours over ours-keys, 1 cells: .* errors 0$", text, re.MULTILINE)


@runs("calls")
@pytest.mark.skipif(
    json.loads(KEPT.read_text("utf-8"))["python"] != PYTHON,
    reason="calls are kept for another Python, whose frames are others",
)
def test_no_request_costs_more_calls_than_it_did(tmp_path: Path) -> None:
    """Where this is meant, `python -m benchmarks.calls --write` keeps the new counts."""
    printed("-m", "benchmarks.calls", "--requests", "40", "--json", str(tmp_path / "found.json"))

    found, kept = (
        {
            kind: sum(stages.values())
            for kind, stages in json.loads(path.read_text())["calls"].items()
        }
        for path in (tmp_path / "found.json", KEPT)
    )
    assert found == {kind: pytest.approx(number, rel=SLACK) for kind, number in kept.items()}


@runs("realtime.run")
@needs_cc
def test_each_scenario_of_the_real_time_path_has_its_figures(
    monkeypatch: pytest.MonkeyPatch, told: Told, tmp_path: Path, repository: Path, picture: Path
) -> None:
    models = [word for name in ("light", "null", "heavy") for word in (f"--{name}", repository)]
    pictures = ["--images", picture, "--heavy-images", picture.parent]
    with TaktServer(repository) as server:
        monkeypatch.setattr("benchmarks.realtime.run.TaktServer", lambda *_: nullcontext(server))
        told(
            "realtime.run",
            "--smoke",
            "--seconds",
            "0.2",
            *models,
            *pictures,
            "--json",
            tmp_path / "rows",
        )

    rows: dict[str, list[float]] = {}
    for row in json.loads((tmp_path / "rows").read_text()):
        rows.setdefault(row["scenario"].partition(",")[0], []).append(row["value"])
    assert {name: len(values) for name, values in rows.items()} == {
        "stream against REST": 12,
        "latest at three times the rate": 10,
        "all": 5,
        "bursts of 16": 3,
        "idle": 4,
        "overload": 14,
    }
    assert rows["all"][:4] == [200, 0, 0, 0]
    assert all(value > 0 for value in rows["stream against REST"])


@runs("record.throughput")
@needs_wrk
def test_a_server_with_a_record_is_measured_beside_one_without(
    told: Told, repository: Path, picture: Path
) -> None:
    text = told("record.throughput", repository, "whole", picture, "--pairs", "1", "--seconds", "1")

    ((plain, keeping, ratio),) = numbers(r"^ +(\d+\.\d) +(\d+\.\d) +(\d\.\d+) ", text)
    assert ratio == pytest.approx(keeping / plain, abs=0.01)
    assert "pictures kept; median of 1 pairs: throughput" in text


@runs("record.committing")
@needs_wrk
def test_answers_that_wait_for_the_record_are_measured_beside_others(
    told: Told, repository: Path, picture: Path
) -> None:
    words = ("--clients", "2", "--pairs", "1", "--seconds", "1")
    text = told("record.committing", repository, "whole", picture, *words)

    ((clients, rate, behind, before),) = numbers(
        r"^ +(\d+) +(\d\.\d+) +(\d+\.\d+) +(\d+\.\d+) ", text
    )
    assert clients == 2
    assert min(rate, behind, before) > 0


@runs("engines")
def test_an_engine_is_measured_beside_the_ceiling(
    told: Told, tmp_path: Path, repository: Path
) -> None:
    short = ("--engines", "onnxruntime", "--rounds", "1", "--seconds", "0.05")
    told("engines", repository / "whole" / "1", *short, "--json", tmp_path / "rows")

    found = json.loads((tmp_path / "rows").read_text())
    assert all(value > 0 for value in found["ceiling"].values())
    assert found["rows"]
    assert all(row["images_per_s"] > 0 for row in found["rows"])


@runs("gpu_server")
def test_what_a_gpu_is_measured_by_runs_on_a_processor(
    told: Told, tmp_path: Path, repository: Path, picture: Path
) -> None:
    words = ("--engines", "onnxruntime", "--seconds", "0.1", "--json", tmp_path / "rows")
    told("gpu_server", repository / "whole" / "1", "--images", picture.parent, *words)

    found = json.loads((tmp_path / "rows").read_text())
    assert [row["batch"] for row in found["engines"]] == list(BATCHES)
    asked = [(row["workers"], row["clients"]) for row in found["served"]]
    assert asked == [*((1, clients) for clients in CLIENTS), (WORKERS, CLIENTS[-1])]
    assert all(row["images_per_s"] > 0 for row in [*found["engines"], *found["served"]])
    assert not any(row["failed"] for row in found["served"])
    assert found["device"]


@runs("station.virtual", "station.virtual parts", "station.virtual faults", "station.virtual day")
def test_a_station_in_made_up_time_breaks_no_promise(
    monkeypatch: pytest.MonkeyPatch, told: Told, in_a_thread: Callable[[str], None]
) -> None:
    in_a_thread("station.virtual")
    kinds = list(importlib.import_module("benchmarks.station.virtual").FaultKind)[:2]
    monkeypatch.setattr("benchmarks.station.virtual.FaultKind", kinds)

    parts = told("station.virtual", "parts", "--parts", "200")
    faults = told("station.virtual", "faults", "--seeds", "1")
    day = told("station.virtual", "day", "--hours", "0.02")

    ((results, ok, ng, none, *times, broken),) = numbers(
        r"^(\d+) results for 200 parts: (\d+) OK, (\d+) NG, (\d+) without a decision; trigger to "
        r"result p50 (\S+) ms, p99 (\S+), worst (\S+) .*; broken (\d+);",
        parts,
    )
    assert results == ok + ng + none == 200
    assert times == sorted(times)
    assert broken == 0
    ((plays, broken),) = numbers(r"^(\d+) plays of 170 parts: broken in (\d+), ", faults)
    assert (plays, broken) == (3, 0)
    ((parts_of_day, broken),) = numbers(
        r"^0.02 hours, \d+ faults, (\d+) parts: .*; broken (\d+) ", day
    )
    assert (parts_of_day, broken) == (144, 0)


@pytest.fixture
def one_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Every line of the station's benchmarks asks the same server."""
    with server_of(LIGHT, tmp_path) as server:

        @contextmanager
        def there(*_: Path) -> Iterator[BoxServer]:
            yield server

        for module in ("line", "box_faults"):
            monkeypatch.setattr(f"benchmarks.station.{module}.server_of", there)
        yield


@runs("station.line", "station.box_faults")
@needs_cc
def test_parts_pass_a_station_of_real_processes(
    monkeypatch: pytest.MonkeyPatch, told: Told, one_server: None
) -> None:
    monkeypatch.setattr("benchmarks.station.box_faults.PARTS", 30)
    # So slow that a busy machine keeps up with it.
    slow = ("--rate", "4", "--gate-ms", "900", "--overload-gate-ms", "900")

    line = told("station.line", "--parts", "8", "--overload-parts", "4", *slow)
    faults = told("station.box_faults", "--times", "1", "--pairs", "0", "--fault", "PLC_KILLED")

    found = numbers(
        r"^  at the gate (\d+), results (\d+): (\d+) ok, (\d+) ng, (\d+) no_decision; ", line
    )
    assert [row[0] for row in found] == [8, 4]
    assert all(results == ok + ng + none for _, results, ok, ng, none in found)
    times = numbers(r": +p50 (\S+) ms, p99 (\S+) ms, worst (\S+) ms$", line)
    assert len(times) == 4
    assert all(list(row) == sorted(row) for row in times)
    assert re.search(r"^  plc_killed: ", faults, re.MULTILINE)
    assert "1 plays of 30 parts, " in faults


@runs("answers", "answers bundles", "answers record", "answers compare")
def test_two_records_of_one_version_are_the_same(
    monkeypatch: pytest.MonkeyPatch, told: Told, tmp_path: Path, sets: Path
) -> None:
    bundles = importlib.import_module("benchmarks.answers.bundles")
    monkeypatch.setattr(bundles, "OPTIONS", {"whole": bundles.OPTIONS["whole"]})
    takt = ("--takt", Path(sys.executable).with_name("takt"), "--data", sets)
    models, out = tmp_path / "made", tmp_path / "answers.json"

    told("answers.__main__", "bundles", *takt, "--out", models)
    few = ("--pictures", "2", "--full", "whole")
    recorded = told("answers.__main__", "record", *takt, "--repository", models, "--out", out, *few)
    compared = told("answers.__main__", "compare", out, out)

    ((answers,),) = numbers(r": (\d+) answers in \d+ s$", recorded)
    assert answers > 0
    assert numbers(r"^all +(\d+) +(\d+)$", compared) == [(answers, 0)]


@runs("demo_model")
def test_the_demos_model_is_measured(monkeypatch: pytest.MonkeyPatch, told: Told) -> None:
    for name, seeds in (("GOOD", range(10_000, 10_004)), ("DEFECTS", range(10_000, 10_002))):
        monkeypatch.setattr(f"benchmarks.demo_model.MEASURED_{name}", seeds)

    found = numbers(r"^\w+ +(\d+) of (\d+) rejected$", told("demo_model", "--measure"))

    assert [row[1] for row in found] == [4, 2, 2, 2, 2]
    assert all(rejected <= asked for rejected, asked in found)


@runs("false_rejects")
def test_false_rejects_of_a_set_are_counted(
    told: Told, sets: Path, in_a_thread: Callable[[str], None]
) -> None:
    in_a_thread("false_rejects")
    small = ("--splits", "2", "--size", "64", "--bank-size", "300")

    text = told("false_rejects", sets / "mvtec_bottle", *small)

    ((fitted, splits, alpha, rejected, low, high, found),) = numbers(
        r"^\| mvtec_bottle \| (\d+) \| (\d+) \| (\d+) \| (\S+) \| (\S+) to (\S+) \| (\S+) \|", text
    )
    assert (fitted, splits, alpha) == (22, 2, 5)
    assert low <= rejected <= high
    assert found == 100
    ((cells, overlapping, holding),) = numbers(r"^\| all \| (\d+) \| (\S+) \| (\S+) \|", text)
    assert cells == 8  # at 5 and 10 %, rejected and found, in two splits
    assert holding <= overlapping <= 100


@runs("lots")
def test_other_lots_are_judged_with_lots_held_apart_and_without(
    told: Told, tmp_path: Path, in_a_thread: Callable[[str], None]
) -> None:
    in_a_thread("lots")
    root = write_set(tmp_path / "sets" / "road_crackforest", seed=3, good=40)
    for path in sorted(root.glob("*/good/*.png")):
        path.rename(path.with_name(f"r{int(path.stem) % 8:03}_{path.stem}.png"))
    only = ("--only", "road_crackforest", "--splits", "2", "--size", "64")

    text = told("lots", tmp_path / "sets", *only)

    ((lots, covered, splits, limit, apart, single, found, of_single, kept),) = numbers(
        r"^\| road_crackforest \| (\d+) \| (\d+) of (\d+) " + 6 * r"\| ([\d.]+) " + r"\|$",
        text,
    )
    assert (lots, splits) == (4, 2)
    assert covered <= splits
    assert max(limit, apart, single) <= 100
    assert (found, of_single, kept) == (100, 100, 100)


@runs("self_test")
@pytest.mark.filterwarnings("ignore:An input array is constant", "ignore:All-NaN slice")
def test_the_self_test_is_held_against_real_defects(
    monkeypatch: pytest.MonkeyPatch,
    told: Told,
    sets: Path,
    tmp_path: Path,
    in_a_thread: Callable[[str], None],
) -> None:
    in_a_thread("self_test")
    small: Mapping[str, Any] = {"side": 64, "bank_size": 300}
    monkeypatch.setattr("benchmarks.self_test.RECIPES", {"small": small, "one block": small})

    words = ("--sets", "toy_figures", "--json", tmp_path / "rows.json")
    text = told("self_test", sets, *words)

    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["recipe"] for row in rows] == ["small", "one block"]
    assert all(0 <= row[share] <= 1 for row in rows for share in ("real", "made_up"))
    assert "pairs ordered rightly: 0 of 0" in text


@runs("search")
def test_a_search_is_measured_beside_the_default(
    told: Told, sets: Path, in_a_thread: Callable[[str], None]
) -> None:
    in_a_thread("search")

    text = told("search", sets, "--sets", "toy_figures", "--minutes", "0.001")

    ((tried, default, taken),) = numbers(
        r"^\| toy_figures \| the default \| (\d+) \| (\S+) \| (\S+) \|", text
    )
    assert (tried, default, taken) == (1, 1, 1)


@runs("drift")
def test_false_alarms_and_delays_of_the_watch_are_measured_on_pictures(
    monkeypatch: pytest.MonkeyPatch, told: Told, tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.drift.__main__.LENGTH", 200)
    write_set(tmp_path / "few" / "one", seed=1, good=6)

    text = told("drift.__main__", "one", "--data", tmp_path / "few", "--runs", "1")

    found = numbers(r" in time (\d+), later (\d+), \w+ (\d+), of (\d+);", text)
    assert len(found) == 12
    assert re.search(r"^what a line does, together: .* of \d+; bar 85%$", text, re.MULTILINE)
    assert all(in_time + late <= runs == 1 for in_time, late, _, runs in found)
    assert re.search(r"^no change, all sets: \d of 1 streams of 200 have", text, re.MULTILINE)


@runs("drift.kinds")
def test_alarms_of_good_parts_that_come_in_batches_are_counted(
    monkeypatch: pytest.MonkeyPatch, told: Told, tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.drift.kinds.OUT", tmp_path / "kinds")
    for name, value in (("MOST", 60), ("MADE_OF", 10), ("BATCH", 20), ("AFTER", 30)):
        monkeypatch.setattr(f"benchmarks.drift.kinds.{name}", value)
    write_set(tmp_path / "few" / "one", seed=1, good=60)

    text = told("drift.kinds", "one", "--data", tmp_path / "few", "--runs", "1")

    found = numbers(r"alarms: mixed (\d+) and batches (\d+) of (\d+), made kinds (\d+) of", text)
    assert len(found) == 2 * len(RULES)
    assert all(max(mixed, batches) <= runs for mixed, batches, runs, _ in found)


@runs("drift.synthetic")
def test_false_alarms_and_delays_of_the_watch_are_measured_on_made_up_facts(
    monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    monkeypatch.setattr("benchmarks.drift.synthetic.SIZES", (60,))

    text = told("drift.synthetic", "--streams", "1", "--runs", "1")

    found = numbers(r": +(\d+) of (\d+); within 50: +(\d+); half within (\d+), ", text)
    assert len(found) == 7
    assert "no change: " in text


@runs("drift.promise")
def test_accusations_of_honest_models_are_counted(told: Told) -> None:
    text = told("drift.promise", "--models", "3")

    found = numbers(r"(\d+) of (\d+), \S+ \(\S+ to \S+\)(?: accused)?$", text)
    assert [of for _, of in found] == [3, 3, 3]


@runs("drift.undecided")
def test_spoilt_pictures_that_are_undecided_are_counted(
    monkeypatch: pytest.MonkeyPatch, told: Told, sets: Path
) -> None:
    monkeypatch.setattr("benchmarks.drift.undecided.MOST", 8)
    monkeypatch.setattr("benchmarks.drift.undecided.OTHERS", 2)

    text = told("drift.undecided", "--data", sets)

    shares = numbers(r"^  [\w ]+: (\S+) %$", text)
    assert len(shares) == 8
    assert all(share <= 100 for (share,) in shares)
    assert len(re.findall(r"^without \w+: ", text, re.MULTILINE)) == 2
