"""Stands for the fit of a detector or a teacher in tests of the commands."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any


@dataclasses.dataclass
class FakeFit:
    """Stands for a fit: notes what it was asked, then does what it was told."""

    result: Any = None
    error: BaseException | None = None
    state: bool = False
    arguments: tuple[Any, ...] = ()
    start: Any = None
    digests: Any = None

    def __call__(
        self,
        *arguments: Any,
        quiet: bool,
        start: Any = None,
        spoil: Any = None,
        part: Any = None,
        digests: Any = None,
    ) -> Any:
        self.arguments = arguments
        self.start = start
        self.digests = digests
        output = next(a for a in arguments if isinstance(a, Path))
        if self.state:
            output.with_name(output.name + ".resume").touch()
        if self.error is not None:
            raise self.error
        return self.result
