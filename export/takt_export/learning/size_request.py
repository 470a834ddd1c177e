"""What a command was asked about the size of a model's input. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from takt.core.host import free_memory_bytes
from takt_export.learning.memory import check_memory
from takt_models.input_size import InputSize, SizeLimits, choose_size

AUTO: Literal["auto"] = "auto"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class SizeRequest:
    """What a command was asked about the size of the model's input.

    Attributes:
        size: None for the family's usual one.
        latency_ms: longest time of a picture that `auto` may take; None for any.
        defects: folder of defective parts for `auto`; None if there is none.
    """

    size: InputSize | Literal["auto"] | None = None
    latency_ms: float | None = None
    defects: Path | None = None

    def choose(
        self,
        limits: SizeLimits,
        good: Sequence[Path],
        time_ms: Callable[[InputSize], float],
        tell: Tell,
    ) -> InputSize | None:
        """The size, None for the family's usual one; `auto` tells its reasons.

        Args:
            limits: what the family takes.
            good: good pictures, whose shape counts.
            time_ms: measures the time of a size in milliseconds.
            tell: takes lines for people.

        Raises:
            click.BadParameter: the family does not take the size, or it takes more memory than is
                left.
            PicturesError: a picture or a mask cannot be read.
        """
        if self.size != AUTO:
            if self.size is not None:
                try:
                    limits.check(self.size.width, self.size.height)
                except ValueError as error:
                    raise click.BadParameter(str(error), param_hint="--size") from error
                check_memory(self.size, limits, free_memory_bytes())
            return self.size
        from takt_export.evaluation.smallest_defect import smallest_defect_side
        from takt_export.pictures import usual_size

        side = None if self.defects is None else smallest_defect_side(self.defects)
        if self.defects is not None and side is None:
            tell(f"warning: {self.defects} has no masks: the size cannot go by the smallest defect")
        chosen = choose_size(limits, usual_size(good), side, self.latency_ms, time_ms)
        tell(chosen.text())
        check_memory(chosen.size, limits, free_memory_bytes())
        return chosen.size


USUAL_SIZE = SizeRequest()
"""Nothing was asked: the family's usual size."""
