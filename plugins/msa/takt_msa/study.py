"""A study: reference parts, placed several times each, and what appraisers decided each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from takt_msa.errors import MsaError

FEWEST_TRIALS = 2


@dataclass(frozen=True)
class Trial:
    """A placement of a part, and the decisions about it.

    Attributes:
        name: of the picture or inspection.
        score: that the model gave; a score above the study's threshold is a rejection, and so is
            a region.
        rejected: decision of each of the study's appraisers, in their order; None where one made
            none.
    """

    name: str
    score: float
    rejected: tuple[bool | None, ...]


@dataclass(frozen=True)
class Part:
    """A reference part.

    Attributes:
        name: unique within the study.
        defective: the reference: whether it is known to be defective.
        trials: its placements.
    """

    name: str
    defective: bool
    trials: tuple[Trial, ...]

    def decisions(self, appraiser: int) -> tuple[bool, ...]:
        """Whether the part was rejected, for each trial that the appraiser decided."""
        found = (trial.rejected[appraiser] for trial in self.trials)
        return tuple(rejected for rejected in found if rejected is not None)


@dataclass(frozen=True)
class StudyNote:
    """What the reader of the figures must know of the study.

    Attributes:
        text: in words.
        names: parts or pictures that it is about.
        grave: whether the figures may not mean what they say.
    """

    text: str
    names: tuple[str, ...] = ()
    grave: bool = False


@dataclass(frozen=True)
class Study:
    """Decisions on reference parts; `study_of` makes one and checks it.

    Attributes:
        appraisers: names of those who decided; the first is the inspection under study.
        parts: good and defective ones, each with at least two trials.
        threshold: a score above it is a rejection by the first appraiser, as is a region.
        notes: what was left out, and why.

    >>> def part(name: str, defective: bool, *scores: float) -> Part:
    ...     trials = (Trial(f"{name}_{s}", s, (s > 0.5,)) for s in scores)
    ...     return Part(name, defective, tuple(trials))
    >>> parts = [part("a", False, 0.1, 0.2), part("b", True, 0.4, 0.9), part("c", True, 0.8)]
    >>> study = study_of(("model",), parts, 0.5)
    >>> [one.name for one in study.parts], study.notes[0].names
    (['a', 'b'], ('c',))
    """

    appraisers: tuple[str, ...]
    parts: tuple[Part, ...]
    threshold: float
    notes: tuple[StudyNote, ...] = ()

    @property
    def trials(self) -> int:
        """Number of placements of all parts."""
        return sum(len(part.trials) for part in self.parts)

    def of(self, *, defective: bool) -> tuple[Part, ...]:
        """The parts of one kind."""
        return tuple(part for part in self.parts if part.defective == defective)


def study_of(
    appraisers: tuple[str, ...],
    parts: Sequence[Part],
    threshold: float,
    notes: Sequence[StudyNote] = (),
) -> Study:
    """A study of the parts that were placed at least twice; a note names the others.

    Raises:
        MsaError: no good or no defective part was placed at least twice.
    """
    repeated = tuple(part for part in parts if len(part.trials) >= FEWEST_TRIALS)
    once = tuple(part.name for part in parts if len(part.trials) < FEWEST_TRIALS)
    if parts and not repeated:
        raise MsaError(
            f"each of the {len(parts)} parts has one trial only, which says nothing of how well "
            "the inspection repeats; place each part at least twice, better three times or more"
        )
    for defective, kind in ((False, "good"), (True, "defective")):
        if not any(part.defective == defective for part in repeated):
            raise MsaError(
                f"the study has no {kind} part with two trials or more: an attribute study needs "
                "good and defective reference parts, each placed at least twice"
            )
    if once:
        notes = (
            *notes,
            StudyNote(
                f"parts left out, as they have one trial only: {len(once)}", once, grave=True
            ),
        )
    return Study(appraisers, repeated, threshold, tuple(notes))
