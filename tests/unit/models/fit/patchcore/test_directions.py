import torch

from takt_models.checkpoints.good_cells import GoodCells, coarse
from takt_models.fit.patchcore.directions import (
    FOLDS,
    MOST_DIRECTIONS,
    GoodStatistics,
    OddestCells,
    good_likeness,
    likeness,
    scaled,
)

CHANNELS = 12


def cells(count: int, seed: int, shown: torch.Tensor | None = None) -> torch.Tensor:
    """Cells of pictures, whose channels vary together; what is shown is in one cell of each."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(CHANNELS, CHANNELS, generator=torch.Generator().manual_seed(0))
    found = torch.randn(count, 4, 5, CHANNELS, generator=generator) @ mixed / CHANNELS**0.5
    if shown is not None:
        found[:, 2, 3] += shown
    return coarse(found)


def good(count: int = 40) -> GoodCells:
    return GoodCells(tuple(range(count)), cells(count, seed=1))


def defect(number: int) -> torch.Tensor:
    shown = torch.zeros(CHANNELS)
    shown[number] = 5.0
    return shown


def oddest_of(pictures: torch.Tensor) -> OddestCells:
    oddness = torch.zeros(4, 5)
    oddness[2, 3] = 1.0
    return OddestCells.joined([OddestCells.of(one, oddness, None) for one in pictures])


def test_what_resembles_a_defect_is_told_from_good_parts_and_from_other_defects() -> None:
    parts = good()
    statistics = GoodStatistics.of(parts)
    head = likeness(parts, statistics, oddest_of(cells(3, seed=2, shown=defect(0))))
    same = head.of(cells(20, seed=3, shown=defect(0))).amax(1)
    other = head.of(cells(20, seed=4, shown=defect(5))).amax(1)
    usual = head.of(cells(20, seed=5)).amax(1)
    assert float(same.min()) > float(usual.max())
    assert float(same.median()) > float(other.max())


def test_a_good_part_is_asked_by_what_rests_on_the_other_folds_alone() -> None:
    parts = good()
    defects = oddest_of(cells(2, seed=2, shown=defect(0)))
    before = good_likeness(
        parts, lambda fold: likeness(parts, GoodStatistics.of(parts), defects, without=fold)
    )
    changed = parts.cells.clone()
    mine = [number for number in range(40) if number % FOLDS == 0]
    changed[mine[1:]] = cells(len(mine) - 1, seed=9, shown=4 * defect(3))
    other = GoodCells(parts.parts, changed)
    after = good_likeness(
        other, lambda fold: likeness(other, GoodStatistics.of(other), defects, without=fold)
    )
    assert before.shape == (40, 2)
    torch.testing.assert_close(after[mine[0]], before[mine[0]])
    assert bool((after[1::FOLDS] != before[1::FOLDS]).any())


def test_the_directions_of_few_defects_are_each_its_own() -> None:
    parts = good()
    statistics = GoodStatistics.of(parts)
    defects = oddest_of(cells(3, seed=2, shown=defect(0)))
    of_all = likeness(parts, statistics, defects)
    of_two = likeness(parts, statistics, defects.some([0, 2]))
    asked = cells(4, seed=3)
    torch.testing.assert_close(of_all.some([0, 2]).of(asked), of_two.of(asked))


def test_what_is_usual_at_a_place_is_no_defect_there_and_may_be_one_elsewhere() -> None:
    bright = cells(60, seed=1)
    bright[:, 0, 0] = (bright[:, 0, 0].int() + 80).clamp(-127, 127).to(torch.int8)
    parts = GoodCells(tuple(range(60)), bright)
    shown = torch.full((CHANNELS,), 5.0)
    head = likeness(parts, GoodStatistics.of(parts), oddest_of(cells(3, seed=2, shown=shown)))
    usual = cells(20, seed=5)
    usual[:, 0, 0] = (usual[:, 0, 0].int() + 80).clamp(-127, 127).to(torch.int8)
    same = head.of(cells(20, seed=3, shown=shown)).amax(1)
    assert float(same.min()) > float(head.of(usual).amax(1).max())


def test_many_defects_are_gathered_into_as_many_directions_as_a_head_may_have() -> None:
    parts = good()
    shown = torch.cat([cells(30, seed=10 + kind, shown=defect(kind)) for kind in range(4)])
    head = likeness(parts, GoodStatistics.of(parts), oddest_of(shown))
    assert head.directions.shape == (MOST_DIRECTIONS, CHANNELS)
    for kind in range(4):
        same = head.of(cells(10, seed=30 + kind, shown=defect(kind))).amax(1)
        assert float(same.min()) > float(head.of(cells(10, seed=40)).amax(1).max())


def test_a_box_says_where_the_defect_is() -> None:
    picture = cells(1, seed=2, shown=defect(0))[0]
    oddness = torch.rand(4, 5)
    oddness[0, 0] = 9.0
    box = torch.zeros(4, 5, dtype=torch.bool)
    box[2, 3] = True
    inside = OddestCells.of(picture, oddness, box)
    assert torch.equal(inside.mean[0], picture[2, 3].float() / 16)
    assert inside.places[0].unflatten(0, (4, 5))[2, 3] == 1
    assert not torch.equal(inside.mean, OddestCells.of(picture, oddness, None).mean)


def test_directions_that_are_there_get_the_scale_of_other_good_parts() -> None:
    parts = good()
    head = likeness(parts, GoodStatistics.of(parts), oddest_of(cells(2, seed=2, shown=defect(0))))
    again = scaled(parts, head.directions)
    torch.testing.assert_close(again.start, head.start)
    torch.testing.assert_close(again.unit, head.unit)


def test_good_parts_that_are_all_alike_leave_a_scale() -> None:
    alike = GoodCells((0, 1, 2, 3, 4, 5), torch.ones(6, 4, 5, CHANNELS, dtype=torch.int8))
    defects = OddestCells(torch.full((1, CHANNELS), 2.0), torch.full((1, 20), 1 / 20))
    head = likeness(alike, GoodStatistics.of(alike), defects)
    assert bool(head.of(alike.cells).isfinite().all())
