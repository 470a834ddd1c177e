from __future__ import annotations

import pytest

from takt_models.efficientad.config import SIZES as EFFICIENTAD
from takt_models.input_size import LARGEST_SIDE, InputSize, SizeLimits, choose_size, side_for

ANY = SizeLimits(multiple=16, least=16, usual_side=256)


@pytest.mark.parametrize(
    ("limits", "picture", "expected"),
    [
        (EFFICIENTAD, (565, 230), (640, 256)),
        (EFFICIENTAD, (230, 565), (256, 640)),
        (EFFICIENTAD, (900, 900), (256, 256)),
        (ANY, (565, 230), (400, 160)),
        (ANY, (1920, 1080), (336, 192)),
        (ANY, (900, 900), (256, 256)),
    ],
)
def test_the_pictures_keep_their_ratio(
    limits: SizeLimits, picture: tuple[int, int], expected: tuple[int, int]
) -> None:
    chosen = choose_size(limits, InputSize(*picture))
    assert chosen.size == InputSize(*expected)
    assert "keep their ratio" in chosen.text()


def test_a_small_defect_makes_the_input_larger_until_it_is_visible() -> None:
    chosen = choose_size(ANY, InputSize(1200, 600), defect_side=16)
    assert chosen.size == InputSize(608, 304)
    assert "the smallest defect, 16 pixels a side, covers 8.1 of the input" in chosen.text()
    assert choose_size(ANY, InputSize(1200, 600), defect_side=100).size == InputSize(352, 176)


def test_an_input_never_has_more_pixels_than_the_picture_for_a_defects_sake() -> None:
    assert choose_size(ANY, InputSize(480, 320), defect_side=2).size == InputSize(480, 320)


def test_a_defect_too_small_for_any_input_is_told_with_the_remedy() -> None:
    chosen = choose_size(ANY, InputSize(4000, 4000), defect_side=10)
    assert chosen.size == InputSize(512, 512)
    assert "covers 1.3 of the input, too few to count on: consider tiles" in chosen.text()


def test_the_latency_counts_more_than_the_defect() -> None:
    timed: list[InputSize] = []

    def time_ms(size: InputSize) -> float:
        timed.append(size)
        return size.pixels / 1000

    chosen = choose_size(ANY, InputSize(1200, 600), 16, latency_ms=100, time_ms=time_ms)
    assert chosen.size == timed[-1]
    assert chosen.size.pixels <= 100_000
    assert "ms a picture in torch here, of 100 ms allowed" in chosen.text()
    assert "too few to count on" in chosen.text()


def test_the_latency_counts_more_than_the_ratio() -> None:
    def time_ms(size: InputSize) -> float:
        return size.pixels / 1000

    chosen = choose_size(EFFICIENTAD, InputSize(565, 230), latency_ms=100, time_ms=time_ms)
    assert chosen.size == InputSize(384, 256)
    assert "pictures of 565x230 become 1.6 times narrower" in chosen.text()


def test_a_latency_that_no_size_keeps_gives_the_smallest_and_says_so() -> None:
    chosen = choose_size(
        EFFICIENTAD, InputSize(565, 230), latency_ms=1, time_ms=lambda size: size.pixels / 1000
    )
    assert chosen.size == InputSize(256, 256)
    assert "of 1 ms allowed, and no smaller size is known to be within them" in chosen.text()


@pytest.mark.parametrize(
    ("picture", "side"),
    [
        ((320, 320), 320),
        ((400, 400), 320),
        ((256, 256), 320),
        ((200, 200), 256),
        ((64, 64), 80),
        ((450, 450), 352),
        ((300, 750), 384),
        ((600, 600), 480),
        ((4000, 3000), 512),
    ],
)
def test_a_square_keeps_most_of_the_pictures_pixels_and_makes_few_up(
    picture: tuple[int, int], side: int
) -> None:
    limits = SizeLimits(multiple=16, least=16, usual_side=320)
    chosen = side_for(limits, InputSize(*picture))
    assert chosen.size == InputSize(side, side)
    limits.check(side, side)
    assert side <= LARGEST_SIDE


def test_a_side_that_is_not_the_usual_one_is_told_with_its_reason() -> None:
    limits = SizeLimits(multiple=14, least=14, usual_side=392)
    assert side_for(limits, InputSize(450, 450)).text() == "size 392x392: the usual one"
    small, large = (side_for(limits, InputSize(side, side)) for side in (100, 900))
    assert small.text() == "size 126x126: pictures of 100x100 are enlarged little"
    assert "pictures of 900x900 show more than fits into 392x392" in large.text()
    assert "--size 392 is faster" in large.text()
    assert large.size.width % 14 == 0


def test_a_tiny_picture_gets_the_least_side() -> None:
    assert side_for(EFFICIENTAD, InputSize(8, 8)).size == InputSize(256, 256)
