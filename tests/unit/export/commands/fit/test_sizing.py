from __future__ import annotations

from typing import Any

import click
import pytest

from takt_export.commands.fit.sizing import check_fitted_size
from takt_models.input_size import InputSize


@pytest.mark.parametrize("asked", [None, "auto", InputSize(640, 256)])
def test_an_export_takes_the_size_of_the_fit(asked: Any) -> None:
    check_fitted_size(asked, (256, 640))


def test_an_export_at_another_size_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        click.BadParameter, match=r"fitted on 256x256.*fit it again with --size 640x"
    ):
        check_fitted_size(InputSize(640, 256), (256, 256))
