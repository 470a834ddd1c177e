"""A size that takes more memory than there is is refused before anything is learned."""

from __future__ import annotations

import click
import pytest

from takt_export.learning import size_request
from takt_export.learning.memory import check_memory
from takt_export.learning.size_request import SizeRequest
from takt_models.input_size import InputSize, SizeLimits
from takt_models.patchcore.config import SIZES

GB = 10**9
LIMITS = SIZES["lite0"]


@pytest.mark.parametrize("size", [InputSize(4000, 4000), InputSize(8000, 2000)])
def test_a_size_that_fits_is_named(size: InputSize) -> None:
    with pytest.raises(click.BadParameter, match=r"takes about 5\.\d GB.* 3\.0 GB are") as raised:
        check_memory(size, LIMITS, 3 * GB)
    named = str(raised.value).partition("--size ")[2].split()[0]
    width, height = map(int, named.split("x"))
    check_memory(InputSize(width, height), LIMITS, 3 * GB)
    assert width / height == pytest.approx(size.width / size.height, rel=0.05)
    assert not any(side % LIMITS.multiple for side in (width, height))


def test_where_not_even_the_smallest_fits_none_is_named() -> None:
    with pytest.raises(click.BadParameter, match="no size fits"):
        check_memory(InputSize(320, 320), LIMITS, GB // 2)


def test_what_nobody_has_measured_is_not_refused() -> None:
    check_memory(InputSize(64_000, 64_000), SizeLimits(32, 256, 256), GB)


def test_a_size_that_was_asked_for_is_checked_by_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(size_request, "free_memory_bytes", lambda: 2 * GB)
    asked = SizeRequest(InputSize(4000, 4000))
    with pytest.raises(click.BadParameter, match="fits"):
        asked.choose(LIMITS, [], lambda _: 0.0, print)
    assert SizeRequest(InputSize(512, 512)).choose(LIMITS, [], lambda _: 0.0, print)
