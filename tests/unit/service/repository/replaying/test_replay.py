"""Recorded inspections, asked again."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from takt.core.bundles.bundle import MANIFEST, MODEL
from takt.core.domain import Box, Region
from takt.repository.replaying.json_form import json_of
from takt.repository.replaying.many import NotReplayed
from takt.repository.replaying.replay import Replay
from takt.settings import Settings
from tests.replays import Outcome, record_pictures, replayed, stored_inspections
from tests.unit.service.repository.replaying.conftest import Recorded


def made(outcomes: list[Outcome]) -> list[Replay]:
    """The outcomes, all of which are replays."""
    assert all(isinstance(one, Replay) for one in outcomes), outcomes
    return [one for one in outcomes if isinstance(one, Replay)]


def why_not(outcomes: list[Outcome]) -> str:
    """Why none was replayed."""
    (reason,) = {one.reason for one in outcomes if isinstance(one, NotReplayed)}
    assert all(isinstance(one, NotReplayed) for one in outcomes)
    return reason


def test_the_same_engine_gives_the_recorded_answers(recorded: Recorded) -> None:
    reject, good = made(recorded.replay())
    assert (reject.stored.anomalous, good.stored.anomalous) == (True, False)
    assert len(reject.stored.regions) == 1
    for one in (reject, good):
        assert one.reproduced
        assert one.score_difference == 0
        assert (one.tolerance.rule, one.tolerance.differs) == ("same_engine", ())
        assert one.tolerance.score == 1e-6
    assert (reject.peak_difference, good.peak_difference) == (0, None)
    body = json.loads(json.dumps(json_of(reject)))
    assert body["recorded"]["engine"] == body["replayed"]["engine"]
    assert body["recorded"]["regions"] == body["replayed"]["regions"]


CHANGES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "same_score": lambda one: {"score": one.score + 2e-6},
    "same_verdict": lambda one: {"anomalous": not one.anomalous},
    "same_regions": lambda one: {"regions": ()},
}


@pytest.mark.parametrize("wrong", CHANGES)
def test_a_record_that_says_something_else_is_found(recorded: Recorded, wrong: str) -> None:
    reject, _ = recorded.inspections()
    (one,) = made(recorded.replay([replace(reject, **CHANGES[wrong](reject))]))
    assert not one.reproduced
    assert [name for name in CHANGES if not getattr(one, name)] == [wrong]


@pytest.mark.parametrize(
    ("moved", "same"), [({"peak": 1e-7}, True), ({"peak": 1e-5}, False), ({"area_px": 9}, False)]
)
def test_regions_may_differ_by_rounding_only(
    recorded: Recorded, moved: dict[str, float], same: bool
) -> None:
    reject, _ = recorded.inspections()
    (region,) = reject.regions
    changed = replace(region, **{name: getattr(region, name) + by for name, by in moved.items()})  # type: ignore[arg-type]
    (one,) = made(recorded.replay([replace(reject, regions=(changed,))]))
    assert one.same_regions is same


def test_a_region_at_the_very_threshold_may_be_there_or_not(recorded: Recorded) -> None:
    """Its cells have the threshold's value but for rounding, which batches of another size move."""
    reject, _ = recorded.inspections()
    spot = reject.regions[0].peak
    (there,) = made(recorded.replay([replace(reject, pixel_threshold=spot + 1e-7)]))
    assert there.verdict.regions == ()
    assert there.same_regions
    (gone,) = made(recorded.replay([replace(reject, pixel_threshold=spot + 1e-5)]))
    assert not gone.same_regions


def test_the_recorded_thresholds_count_whatever_is_in_force(recorded: Recorded) -> None:
    override = {"value": 0.9, "set_at": "2026-01-01T00:00:00Z"}
    told = {"format_version": 1, "image": override, "pixel": override}
    (recorded.bundle / "thresholds.json").write_text(json.dumps(told))
    assert all(one.reproduced for one in made(recorded.replay()))


def test_another_engine_is_told_and_has_the_bounds_of_loading(recorded: Recorded) -> None:
    for one in made(recorded.replay(engine="openvino")):
        assert one.reproduced
        assert one.tolerance.rule == "other_engine"
        assert one.tolerance.differs == ("engine", "runtime")
        assert (one.tolerance.score, one.tolerance.peak) == (2e-3, 2e-3)


def test_another_processor_is_another_engine(recorded: Recorded) -> None:
    reject, _ = recorded.inspections()
    (one,) = made(recorded.replay([replace(reject, processor="a CPU of long ago")]))
    assert one.tolerance.differs == ("processor",)
    assert one.tolerance.score == 2e-3


@pytest.mark.parametrize("file", [MODEL, MANIFEST, "golden.npz", "calibration.npz"])
def test_a_bundle_with_one_flipped_bit_is_refused(recorded: Recorded, file: str) -> None:
    path = recorded.bundle / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert file in why_not(recorded.replay())


def test_another_bundle_of_the_same_name_is_refused(
    recorded: Recorded, make_bundle: Callable[..., Any]
) -> None:
    shutil.rmtree(recorded.bundle)
    make_bundle(created_at="2026-01-02T00:00:00Z")
    first = recorded.inspections()[:1]
    assert "exported or calibrated again; put the former bundle back" in why_not(
        recorded.replay(first)
    )


def test_a_version_that_is_gone_is_missed(
    recorded: Recorded, make_bundle: Callable[..., Any]
) -> None:
    make_bundle(version="2")
    shutil.rmtree(recorded.bundle)
    reason = why_not(recorded.replay(recorded.inspections()[:1]))
    assert f"{recorded.settings.repository} does not have" in reason


def test_a_bundle_from_before_digests_were_kept_is_known_by_its_content(
    recorded: Recorded, picture_bytes: Callable[..., bytes]
) -> None:
    file = recorded.bundle / MANIFEST
    manifest = json.loads(file.read_bytes())
    digest = manifest.pop("digest")
    file.write_text(json.dumps(manifest))
    asyncio.run(record_pictures(recorded.settings, recorded.record, [picture_bytes(70)]))
    *_, last = recorded.inspections()
    assert last.digest == digest
    assert made(replayed(recorded.record, [last], recorded.settings))[0].reproduced


def test_a_kept_picture_that_was_changed_or_removed_is_not_replayed(recorded: Recorded) -> None:
    (changed, removed) = [
        recorded.record.pictures.folder / path for path, _ in recorded.record.pictures.files()
    ]
    changed.write_bytes(changed.read_bytes()[:-1])
    removed.unlink()
    outcomes = recorded.replay()
    reasons = sorted(one.reason for one in outcomes if isinstance(one, NotReplayed))
    assert "is not kept any more" in reasons[1]
    assert "its content has changed" in reasons[0]


def test_an_engine_that_this_release_does_not_have_is_named(recorded: Recorded) -> None:
    reject, _ = recorded.inspections()
    reason = why_not(recorded.replay([replace(reject, engine="onnxruntime on an abacus")]))
    assert "onnxruntime on an abacus" in reason
    assert "--engine" in reason


def test_an_engine_that_this_machine_cannot_have_is_no_silent_fallback(recorded: Recorded) -> None:
    reject, _ = recorded.inspections()
    engine = "onnxruntime CUDAExecutionProvider, device 63, batches of 1"
    settings = recorded.settings.model_copy(update={"provider_fallback": True})
    reason = why_not(replayed(recorded.record, [replace(reject, engine=engine)], settings))
    assert "cannot be run on cuda" in reason


def test_inspections_without_a_digest_cannot_be_told(recorded: Recorded) -> None:
    reject, _ = recorded.inspections()
    assert "no digest" in why_not(recorded.replay([replace(reject, digest="")]))


def test_records_are_replayed_from_postgresql_as_well(
    record: Any, repository: Path, bundle: Any, picture_bytes: Callable[..., bytes]
) -> None:
    settings = Settings(repository=repository, engine_threads=1, keep="sample=1")
    recorded = Recorded(record, settings, bundle.path)
    pictures = [picture_bytes(50, spot=200)]
    asyncio.run(record_pictures(recorded.settings, record, pictures))
    (stored,) = stored_inspections(record)
    assert stored.regions == (Region(Box(16, 12, 16, 12), 192, stored.regions[0].peak),)
    assert made(recorded.replay())[0].score_difference == 0
