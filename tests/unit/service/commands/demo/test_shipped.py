"""The model that the wheel carries -> a bundle that is served, right about drawn parts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from takt.commands.demo.part import DEFECTS, Truth, jpeg
from takt.commands.demo.shipped import MODEL, SHIPPED, unpack
from takt.core.bundles.bundle import load_bundle
from takt.core.domain import InspectOptions, Verdict
from takt.core.inspection.opened import opened

BUNDLE = SHIPPED / MODEL / "1"
LEARNED = range(120)
NEW = range(30_000, 30_050)


def verdicts(truth: Truth, seeds: Sequence[int]) -> list[Verdict]:
    async def inspect() -> list[Verdict]:
        async with opened(BUNDLE) as model:
            found = []
            for data in [jpeg(seed, truth) for seed in seeds]:

                async def read(data: bytes = data) -> bytes:
                    return data

                options = InspectOptions(timeout_s=60.0)
                found.append((await model.inspect(read, options)).verdict)
            return found

    return asyncio.run(inspect())


def test_the_bundle_is_whole_small_and_knows_its_good_pictures() -> None:
    bundle = load_bundle(BUNDLE)

    files = {path.name: path.stat().st_size for path in BUNDLE.iterdir()}
    assert set(files) == {*bundle.manifest.files, "manifest.json"}
    assert sum(files.values()) < 3_500_000
    assert bundle.manifest.self_test is not None
    assert bundle.manifest.self_test.findings == ()
    assert len(bundle.calibration.facts) == len(bundle.calibration.good_score) == len(LEARNED)


def test_good_parts_that_it_has_not_learned_pass() -> None:
    assert not set(NEW) & set(LEARNED)
    assert sum(one.anomalous for one in verdicts("good", NEW)) <= 2


@pytest.mark.parametrize("defect", DEFECTS)
def test_nearly_every_defect_is_found(defect: Truth) -> None:
    found = verdicts(defect, NEW[:12])

    assert sum(one.anomalous for one in found) >= 11
    assert any(one.regions for one in found)


def test_a_model_that_was_unpacked_before_stays_as_it_is(tmp_path: Path) -> None:
    unpack(tmp_path)
    set_by_hand = tmp_path / MODEL / "1" / "thresholds.json"
    set_by_hand.write_text("{}")

    unpack(tmp_path)

    assert set_by_hand.read_text() == "{}"
    assert (tmp_path / MODEL / "1" / "manifest.json").is_file()
