from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from takt_export.commands.fit.command import fit
from takt_models.fit.efficientad.options import EfficientAdOptions
from takt_models.fit.inpformer.options import InpFormerOptions
from takt_models.fit.teacher.options import TeacherOptions

WritePictures = Callable[..., list[Path]]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("efficientad", EfficientAdOptions),
        ("inpformer", InpFormerOptions),
        ("teacher", TeacherOptions),
    ],
)
def test_the_help_s_defaults_are_those_of_the_fit(
    command: str, options: type[EfficientAdOptions | InpFormerOptions | TeacherOptions]
) -> None:
    fields = {field.name: field.default for field in dataclasses.fields(options)}
    offered = {param.name: param.default for param in fit.commands[command].params}
    shared = {name for name in fields.keys() & offered.keys() if fields[name] is not None}
    assert {"seed", "learning_rate"} <= shared
    assert {name: offered[name] for name in shared} == {name: fields[name] for name in shared}
