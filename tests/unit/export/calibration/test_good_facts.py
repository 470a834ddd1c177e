"""The facts that a bundle keeps are those that the service finds at the line."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from takt.core.batching.batcher import Batcher
from takt.core.batching.options import BatcherOptions
from takt.core.batching.work import Unobserved
from takt.core.bundles.bearing import Bearing, KindBorne, MovedShare
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.thresholds import DeployedThresholds, Overrides
from takt.core.bundles.tiling import Tiling
from takt.core.domain import FactVector, InspectOptions, ModelInput, ModelOutput
from takt.core.engines.batches import batch_runner
from takt.core.engines.fake import FakeEngine
from takt.core.inspection.inference import Pools
from takt.core.inspection.pipeline import Limits, Pipeline
from takt.core.pictures.facts import FACT_NAMES, FACTS
from takt.core.pictures.good_facts import LEAST, GoodFacts
from takt.core.pictures.judgeable import FactLimits
from takt_export.calibration.bearing import with_borne
from takt_export.calibration.good_facts import good_facts, undecided_by_default, with_further
from takt_export.calibration.parts import Parts
from takt_export.pictures import list_pictures

GOOD = Path("examples/pictures/good")
COMPARED = ("shift_x", "shift_y", "likeness", "spot", "turn", "size", "match")
LIMITS = Limits(10_000_000, 8)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(Path("examples/models/pitting/1"))


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    few = list(list_pictures(GOOD))
    return (few * (24 // len(few) + 1))[:24]


def known(bundle: Bundle, pictures: list[Path]) -> GoodFacts:
    values = np.arange(len(pictures), dtype=np.float32)
    found = good_facts(
        pictures, Parts.single(len(pictures)), bundle.manifest, values, values + 1, quiet=True
    )
    assert found is not None
    return found


async def at_the_line(bundle: Bundle, path: Path) -> FactVector:
    """The facts of a picture as the service finds them."""

    async def read() -> bytes:
        return path.read_bytes()

    batcher: Batcher[ModelInput, ModelOutput] = Batcher(
        [batch_runner(FakeEngine())], BatcherOptions(8, 0.0, 256), Unobserved()
    )
    thresholds = DeployedThresholds(bundle, Overrides())
    with ThreadPoolExecutor() as pool:
        pipeline = Pipeline(bundle, batcher, Pools(pool, pool, 1), LIMITS, thresholds)
        inspection = await pipeline.inspect(read, InspectOptions(timeout_s=30.0))
        await batcher.close(drain_timeout_s=1.0)
    assert inspection.facts is not None
    return inspection.facts


OF_PICTURE = [at for at, fact in enumerate(FACTS) if fact.of_picture]


async def test_the_line_finds_the_facts_that_the_calibration_found(
    bundle: Bundle, pictures: list[Path]
) -> None:
    found = known(bundle, pictures)
    calibration = found.put_into(bundle.calibration)
    facts = await at_the_line(replace(bundle, calibration=calibration), pictures[0])
    # Only what it is compared with differs: at the calibration it is not among these itself.
    own = [at for at in OF_PICTURE if FACT_NAMES[at] not in COMPARED]
    np.testing.assert_array_equal(facts[own], found.table[0][own])
    compared = [FACT_NAMES.index(name) for name in COMPARED]
    np.testing.assert_allclose(facts[compared], found.table[0][compared], atol=0.5)
    assert not np.isnan(facts).any()


async def test_a_picture_in_tiles_has_facts_as_well(bundle: Bundle, pictures: list[Path]) -> None:
    tiling = Tiling(width=200, height=200, overlap=0, blend="max")
    manifest = bundle.manifest.model_copy(update={"tiling": tiling})
    tiled = replace(bundle, manifest=manifest)
    found = known(tiled, pictures)
    facts = await at_the_line(
        replace(tiled, calibration=found.put_into(tiled.calibration)), pictures[0]
    )
    brightness = FACT_NAMES.index("brightness")
    assert facts[brightness] == found.table[0][brightness]


def test_scores_and_levels_stand_beside_their_pictures(
    bundle: Bundle, pictures: list[Path]
) -> None:
    table = known(bundle, pictures).table
    level, score = FACT_NAMES.index("map_level"), FACT_NAMES.index("score")
    np.testing.assert_array_equal(table[:, score] - table[:, level], 1)


def test_too_few_pictures_say_nothing_of_what_is_usual(
    bundle: Bundle, pictures: list[Path]
) -> None:
    few = np.zeros(LEAST - 1, np.float32)
    parts = Parts.single(LEAST - 1)
    known = good_facts(pictures[: LEAST - 1], parts, bundle.manifest, few, few, quiet=True)
    assert known is None


def test_facts_are_kept_by_their_names(bundle: Bundle, pictures: list[Path]) -> None:
    calibration = known(bundle, pictures).put_into(bundle.calibration)
    turned = replace(
        calibration,
        facts=np.ascontiguousarray(calibration.facts[:, ::-1]),
        fact_names=calibration.fact_names[::-1],
    )
    again = GoodFacts.of(turned)
    assert again is not None
    np.testing.assert_array_equal(again.table, known(bundle, pictures).table)


def test_a_part_of_many_pictures_counts_once(bundle: Bundle, pictures: list[Path]) -> None:
    # The first picture shows a part that four more show as well.
    parts = Parts.of([0, 0, 0, 0, 0, *range(1, 20)])
    scores = np.arange(len(pictures), dtype=np.float32)
    found = good_facts(pictures, parts, bundle.manifest, scores, scores, quiet=True)
    assert found is not None
    kept = found.table[:, FACT_NAMES.index("score")]
    assert kept.tolist() == [0, *range(5, len(pictures))]


def test_further_pictures_join_those_that_are_known_however_few(
    bundle: Bundle, pictures: list[Path]
) -> None:
    score = np.full(2, 7, np.float32)
    most = known(bundle, pictures[:22])
    given = Parts.single(2), bundle.manifest, score, score
    found = with_further(most, pictures[22:], *given, quiet=True)
    np.testing.assert_array_equal(found.table[:22], most.table)
    assert found.table[22:, FACT_NAMES.index("score")].tolist() == [7, 7]
    at_once = known(bundle, pictures).look
    np.testing.assert_allclose(found.look.mean, at_once.mean, atol=1e-3)
    np.testing.assert_allclose(found.look.spread, at_once.spread, atol=0.05)


def test_no_further_pictures_leave_the_facts_as_they_are(
    bundle: Bundle, pictures: list[Path]
) -> None:
    most = known(bundle, pictures)
    none = np.empty(0, np.float32)
    assert with_further(most, [], Parts.single(0), bundle.manifest, none, none, quiet=True) is most


def bears(light: float) -> Bearing:
    steps = (MovedShare(magnitude=20, rejected=0.5),)
    if light:
        steps = (MovedShare(magnitude=light, rejected=0.0), *steps)
    kind = KindBorne(kind="light", bound=light, steps=steps)
    return Bearing(pictures=24, limit=0.08, kinds=(kind,))


def with_light(known: GoodFacts, bundle: Bundle, pictures: list[Path], light: float) -> GoodFacts:
    return with_borne(known, bears(light), pictures, bundle.manifest)


def test_moved_pictures_tell_how_facts_lie_where_a_model_bears_it(
    bundle: Bundle, pictures: list[Path]
) -> None:
    plain = known(bundle, pictures)
    found = with_light(plain, bundle, pictures, 15)
    at = FACT_NAMES.index("brightness")
    assert found.borne[:, at].min() == pytest.approx(0.85 * plain.table[:, at].min(), rel=0.03)
    assert found.borne[:, at].max() == pytest.approx(1.15 * plain.table[:, at].max(), rel=0.03)
    assert np.isnan(found.borne[:, FACT_NAMES.index("score")]).all()
    np.testing.assert_array_equal(found.table, plain.table)

    calibration = found.put_into(bundle.calibration)
    kept = GoodFacts.of(calibration)
    assert kept is not None
    np.testing.assert_array_equal(kept.borne, found.borne)
    assert (FactLimits.of(kept).high >= FactLimits.of(plain).high).all()


def test_what_a_model_does_not_bear_adds_nothing(bundle: Bundle, pictures: list[Path]) -> None:
    plain = known(bundle, pictures)
    assert not len(with_light(plain, bundle, pictures, 0).borne)
    assert with_borne(plain, None, pictures, bundle.manifest) is plain


def test_pictures_are_left_undecided_by_default_where_no_good_one_would_be(
    bundle: Bundle, pictures: list[Path]
) -> None:
    assert not undecided_by_default(with_light(known(bundle, pictures), bundle, pictures, 15))
    enough = pictures + pictures[:6]
    found = with_light(known(bundle, enough), bundle, enough, 15)
    assert undecided_by_default(found)
    # As of scans of other boards each time: one is unlike all others.
    found.table[7, FACT_NAMES.index("noise")] = 90
    assert not undecided_by_default(found)


def test_a_model_of_which_it_is_unknown_what_it_bears_judges_every_picture(
    bundle: Bundle, pictures: list[Path]
) -> None:
    assert not undecided_by_default(known(bundle, pictures))
    assert not undecided_by_default(None)
