"""What a threshold promises: the options --alpha, --group, --lot and --movement."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # what finds near-copies takes a while to load
    from takt.core.bundles.bearing import MovementKind
    from takt_export.calibration.grouping import Grouping, Rule


class FiniteRange(click.FloatRange):
    """A number within bounds; NaN is within none, and infinity no number to go on with."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


ALPHA = click.option(
    "--alpha",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    show_default="0.01; with fewer than 99 pictures 2/(n + 1), or 1/(n + 1) if that exceeds 0.1",
    help="Share of good pictures that may be refused; needs at least 1/alpha - 1 pictures.",
)


_LOT = "takt.lot"
"""Where --lot, which is read first, lies for --group."""


def _rule(param: click.Parameter, value: str) -> Rule:
    """Read a word or a pattern."""
    match value:
        case "auto" | "none" | "folder":
            return value
        case pattern:
            try:
                return re.compile(pattern)
            except re.error as error:
                raise click.BadParameter(
                    f"{pattern!r} is no pattern ({error}); give auto, none, folder or a regular "
                    "expression",
                    param=param,
                ) from None


def _lot(ctx: click.Context, param: click.Parameter, value: str) -> None:
    ctx.meta[_LOT] = _rule(param, value)


def _grouping(ctx: click.Context, param: click.Parameter, value: str) -> Grouping:
    """Both ways in which pictures belong together."""
    from takt_export.calibration.grouping import Grouping

    return Grouping(_rule(param, value), ctx.meta.get(_LOT, "auto"))


GROUP = click.option(
    "--group",
    "grouping",
    metavar="auto|none|folder|PATTERN",
    default="auto",
    callback=_grouping,
    help="Which good pictures show one part: near-copies, as of a burst, which count once (auto); "
    "none; those of one folder; or those for whose FOLDER/FILE a regular expression captures the "
    r"same, such as 'part(\d+)'. None is scored by what has seen another one of its part, and each "
    "counts. The folder's name, or what is captured, is the part's id, by which a recipe of "
    "several views knows it.",
)

LOT = click.option(
    "--lot",
    metavar="auto|none|folder|PATTERN",
    default="auto",
    callback=_lot,
    is_eager=True,
    expose_value=False,
    help="Which good pictures are of one lot: those of one folder, or else of one day by their "
    "names or the camera (auto); none; those of one folder; or those for whose FOLDER/FILE a "
    "regular expression captures the same. From three lots on, each picture is scored by what has "
    "not seen its lot, and the summary says what to expect of the next one.",
)

_ASKED = re.compile(r"(?P<most>\d+(\.\d+)?)(?P<unit>%|deg|°)")
_KINDS: dict[str, MovementKind] = {"%": "shift", "deg": "turn", "°": "turn"}
_MOST: dict[MovementKind, float] = {"shift": 20, "turn": 45}


def _movement(
    _ctx: click.Context, param: click.Parameter, value: str | None
) -> dict[MovementKind, float]:
    """Read how much movement is to be borne."""
    asked: dict[MovementKind, float] = {}
    for word in value.split(",") if value else ():
        found = _ASKED.fullmatch(word.strip())
        kind = _KINDS[found["unit"]] if found else None
        most = float(found["most"]) if found else 0.0
        if kind is None or kind in asked or not 0 < most <= _MOST[kind]:
            raise click.BadParameter(
                f"{value!r} is no movement: give a shift of up to 20 % of the sides, a turn of up "
                "to 45 degrees, or both, such as 5%,3deg",
                param=param,
            )
        asked[kind] = most
    return asked


MOVEMENT = click.option(
    "--movement",
    metavar="SHIFT%,TURNdeg",
    callback=_movement,
    help="How far parts move on the line, such as 5%,3deg: thresholds rise until the model bears "
    "it, and the summary says how many made-up and given defects that costs.",
)
