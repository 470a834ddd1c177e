from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from takt.core.bundles.tiling import Blend, Tiling
from takt.core.domain import Box, ModelOutput
from takt.core.errors import ImageTooLargeError
from takt.core.pictures.tiles import Stitcher, TileGrid, tile_grid

SIZES = [
    (20, 11),  # smaller than a tile
    (32, 24),  # equal to it
    (33, 25),  # a pixel larger
    (20, 60),  # narrower, but longer
    (64, 48),  # two of them without overlap
    (127, 83),
]
GRIDS = [(24, 32), (7, 9), (1, 1), (30, 40)]
BLENDS: tuple[Blend, ...] = ("max", "mean", "linear")


def tiles_of_32x24(overlap: int, blend: Blend = "linear") -> Tiling:
    return Tiling(width=32, height=24, overlap=overlap, blend=blend)


def naive(
    tiling: Tiling, width: int, height: int, maps: dict[tuple[int, int], NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Tile by tile in float64, with every cell's place in fractions of a pixel.

    Args:
        tiling: see there.
        width: of the picture.
        height: likewise.
        maps: each tile's, by its (x, y) on the picture.
    """
    down, across = next(iter(maps.values())).shape
    total: NDArray[np.float64] | None = None
    for (left, top), anomaly_map in maps.items():
        rows = under(top, min(tiling.height, height), height, down)
        columns = under(left, min(tiling.width, width), width, across)
        if total is None:
            total, weights = (
                np.zeros((len(rows), len(columns))),
                np.zeros((len(rows), len(columns))),
            )
            highest = np.full(total.shape, -np.inf)
        for row, y in enumerate(rows):
            for column, x in enumerate(columns) if y is not None else ():
                if x is None:
                    continue
                value, weight = float(anomaly_map[y, x]), 1
                if tiling.blend == "linear":
                    weight = min(y + 1, down - y) * min(x + 1, across - x)
                total[row, column] += weight * value
                weights[row, column] += weight
                highest[row, column] = max(highest[row, column], value)
    assert total is not None
    return highest if tiling.blend == "max" else total / weights


def under(start: int, length: int, pixels: int, cells: int) -> list[int | None]:
    """For each cell of the stitched map on an axis, that of the tile beneath its centre."""
    whole = math.ceil(Fraction(pixels * cells, length))
    centres = [Fraction((2 * cell + 1) * pixels, 2 * whole) - start for cell in range(whole)]
    return [int(at * cells / length) if 0 <= at < length else None for at in centres]


def noise(tiles: TileGrid, grid: tuple[int, int]) -> dict[tuple[int, int], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return {(tile.box.x, tile.box.y): rng.normal(size=grid).astype(np.float32) for tile in tiles}


def stitched(tiles: TileGrid, maps: dict[tuple[int, int], NDArray[np.float32]]) -> ModelOutput:
    stitcher = Stitcher(tiles)
    for tile in tiles:
        anomaly_map = maps[tile.box.x, tile.box.y]
        stitcher.add(tile, ModelOutput(anomaly_map, float(anomaly_map.max())))
    return stitcher.answer()


@pytest.mark.parametrize("overlap", [0, 5, 12])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_tiles_of_full_size_cover_the_picture(width: int, height: int, overlap: int) -> None:
    tiles = tile_grid(tiles_of_32x24(overlap), width, height, (12, 16))
    covered = np.zeros((height, width), np.int64)
    for tile in tiles:
        box = tile.box
        assert (box.width, box.height) == (min(32, width), min(24, height))
        assert box.x >= 0
        assert box.y >= 0
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.sum() == len(tiles) * min(32, width) * min(24, height)
    assert covered.min() == 1


@pytest.mark.parametrize("overlap", [0, 5, 12])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_neighbours_share_what_was_asked_for_and_no_tile_is_too_many(
    width: int, height: int, overlap: int
) -> None:
    tiles = tile_grid(tiles_of_32x24(overlap), width, height, (12, 16))
    for spans, pixels, length in ((tiles.columns, width, 32), (tiles.rows, height, 24)):
        starts = [span.start for span in spans]
        assert all(
            later - earlier <= length - overlap for earlier, later in itertools.pairwise(starts)
        )
        assert starts == sorted(set(starts))
        # With one less, each as far from the last as may be, they would not reach the end.
        assert len(starts) == 1 or length + (len(starts) - 2) * (length - overlap) < pixels


def test_the_last_tile_of_a_row_is_shifted_inward() -> None:
    tiles = tile_grid(tiles_of_32x24(overlap=4), 70, 24, (24, 32))
    assert [tile.box for tile in tiles] == [
        Box(0, 0, 32, 24),
        Box(28, 0, 32, 24),
        Box(38, 0, 32, 24),
    ]


def test_a_picture_smaller_than_a_tile_is_one_tile_whole() -> None:
    tiles = tile_grid(tiles_of_32x24(overlap=4), 20, 11, (12, 16))
    assert [tile.box for tile in tiles] == [Box(0, 0, 20, 11)]
    assert tiles.map_shape == (12, 16)


@pytest.mark.parametrize(
    ("width", "height"), [(1_048_576, 1), (1, 1_048_576), (200_000, 100), (40_000_000, 1)]
)
def test_a_thin_picture_whose_map_would_be_larger_than_itself_is_refused(
    width: int, height: int
) -> None:
    tiling = Tiling(width=512, height=512, overlap=64, blend="linear")
    with pytest.raises(ImageTooLargeError, match="cut it into shorter pictures"):
        tile_grid(tiling, width, height, (256, 256))


@pytest.mark.parametrize(
    ("side", "grid", "width", "height"),
    [
        (512, (256, 256), 32_768, 1),  # thin, but its map takes little
        (512, (256, 256), 200_000, 128),  # shorter than a tile, with as many cells as pixels
        (512, (256, 256), 8_000, 6_000),
        (32, (256, 256), 800, 600),  # tiles are enlarged, as the bundle says
        (32, (256, 256), 801, 33),
        (512, (4_096, 4_096), 20, 11),  # one tile
    ],
)
def test_no_other_picture_is_refused_for_its_map(
    side: int, grid: tuple[int, int], width: int, height: int
) -> None:
    tiling = Tiling(width=side, height=side, overlap=0, blend="max")
    assert len(tile_grid(tiling, width, height, grid)) >= 1


def test_a_tile_is_a_view_of_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    for tile in tile_grid(tiles_of_32x24(overlap=4), 70, 50, (24, 32)):
        part, box = tile.of(picture), tile.box
        assert np.shares_memory(part, picture)
        assert part.shape == (24, 32, 3)
        assert np.array_equal(part[0, 0], picture[box.y, box.x])


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("overlap", [0, 5, 12])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_stitched_map_is_that_of_a_naive_loop(
    width: int, height: int, overlap: int, grid: tuple[int, int], blend: Blend
) -> None:
    tiling = tiles_of_32x24(overlap, blend)
    tiles = tile_grid(tiling, width, height, grid)
    maps = noise(tiles, grid)
    found = stitched(tiles, maps)
    assert found.anomaly_map.dtype == np.float32
    assert found.anomaly_map.shape == tiles.map_shape
    np.testing.assert_allclose(
        found.anomaly_map, naive(tiling, width, height, maps), rtol=0, atol=1e-5
    )
    assert found.score == max(anomaly_map.max() for anomaly_map in maps.values())


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("overlap", [0, 5, 12])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_cell_of_a_tile_is_lost_to_the_highest(
    width: int, height: int, overlap: int, grid: tuple[int, int]
) -> None:
    tiles = tile_grid(tiles_of_32x24(overlap, "max"), width, height, grid)
    for tile in tiles:
        assert set(tile.rows.sources.tolist()) == set(range(grid[0]))
        assert set(tile.columns.sources.tolist()) == set(range(grid[1]))
    maps = noise(tiles, grid)
    answer = stitched(tiles, maps)
    assert answer.anomaly_map.max() == answer.score


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("overlap", [0, 8])
def test_maps_that_agree_are_pasted_as_they_are(overlap: int, blend: Blend) -> None:
    whole = np.random.default_rng(1).normal(size=(50, 70)).astype(np.float32)
    tiles = tile_grid(tiles_of_32x24(overlap, blend), 70, 50, (24, 32))
    stitcher = Stitcher(tiles)
    for tile in tiles:
        box = tile.box
        part = whole[box.y : box.y + box.height, box.x : box.x + box.width]
        stitcher.add(tile, ModelOutput(part, 0.0))
    np.testing.assert_allclose(stitcher.answer().anomaly_map, whole, rtol=0, atol=1e-6)


def test_linear_passes_from_one_tile_to_the_next_without_a_step() -> None:
    tiles = tile_grid(tiles_of_32x24(overlap=8, blend="linear"), 56, 24, (24, 32))
    stitcher = Stitcher(tiles)
    for value, tile in enumerate(tiles):
        stitcher.add(tile, ModelOutput(np.full((24, 32), value, np.float32), 0.0))
    row = stitcher.answer().anomaly_map[12]
    np.testing.assert_allclose(row[:24], 0, atol=1e-6)
    np.testing.assert_allclose(row[24:32], np.arange(1, 9) / 9, atol=1e-6)
    np.testing.assert_allclose(row[32:], 1, atol=1e-6)


@pytest.mark.parametrize("blend", BLENDS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_stays_so(blend: Blend, value: float) -> None:
    tiles = tile_grid(tiles_of_32x24(overlap=8, blend=blend), 56, 24, (24, 32))
    stitcher = Stitcher(tiles)
    for number, tile in enumerate(tiles):
        anomaly_map = np.zeros((24, 32), np.float32)
        anomaly_map[3, 28] = value if number == 0 else 0
        stitcher.add(tile, ModelOutput(anomaly_map, value if number == 0 else 0.0))
    answer = stitcher.answer()
    assert not np.isfinite(answer.anomaly_map).all()
    assert not math.isfinite(answer.score)


def test_there_is_no_answer_before_every_tile_is_in() -> None:
    tiles = tile_grid(tiles_of_32x24(overlap=0), 64, 24, (1, 1))
    stitcher = Stitcher(tiles)
    stitcher.add(next(iter(tiles)), ModelOutput(np.zeros((1, 1), np.float32), 0.0))
    with pytest.raises(AssertionError, match="1 tiles are missing"):
        stitcher.answer()


def test_the_middle_tile_lies_in_the_middle() -> None:
    assert tile_grid(tiles_of_32x24(overlap=0), 96, 72, (1, 1)).middle.box == Box(32, 24, 32, 24)
    assert tile_grid(tiles_of_32x24(overlap=0), 20, 10, (1, 1)).middle.box == Box(0, 0, 20, 10)


def test_tiles_overlap_by_half_at_most() -> None:
    assert tiles_of_32x24(overlap=12).overlap == 12
    with pytest.raises(ValidationError, match="by half of their shorter side at most"):
        tiles_of_32x24(overlap=13)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {
                "preprocess": {
                    "width": 40,
                    "height": 40,
                    "resize": "area",
                    "crop": {"x": 4, "y": 4, "width": 32, "height": 32},
                }
            },
            "leave gaps between tiles",
        ),
        (
            {"preprocess": {"width": 32, "height": 32, "resize": "area", "reduced_decode": True}},
            "which are decoded whole",
        ),
        ({"roi": {"share": 0.5, "outside": 0.0}}, "the graph sees tiles"),
    ],
)
def test_a_bundle_with_tiles_sees_whole_tiles_of_whole_pictures(
    make_bundle, fields: dict[str, object], message: str
) -> None:
    make_bundle(**fields)
    with pytest.raises(ValidationError, match=message):
        make_bundle(version="2", tiling=tiles_of_32x24(0).model_dump(), **fields)
