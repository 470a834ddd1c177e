"""A taught version: what it finds that the one before missed, and what is doubtful."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from takt.core.domain import Json
from takt.core.judged import JudgedWord
from takt_export.learning.learn import Learned
from takt_export.learning.teaching.judged_pictures import PASSED, JudgedPictures, TeachingPicture
from takt_export.learning.teaching.request import TaughtModel
from takt_export.wording import share
from takt_models.checkpoints.errors import printable

MOST_LISTED = 100
"""Most pictures of one list of the result for programs."""

MOST_PRINTED = 20
"""Most pictures of one line for people."""

TESTED_FROM = 6
"""Fewest turned verdicts that can differ from chance: five of one kind have p = 0.06."""


@dataclass(frozen=True)
class DoubtfulJudgement:
    """A judgement to look at again.

    Attributes:
        file: that was judged, in its folder.
        inspection: its number in the record, if it has one.
        judgement: what is said of it.
        why: in words.
    """

    file: str
    inspection: int | None
    judgement: JudgedWord
    why: str

    @classmethod
    def of(cls, picture: TeachingPicture, why: str) -> DoubtfulJudgement:
        """That of a picture to teach with."""
        said = picture.judged
        return cls(said.file, said.inspection, said.judgement, why)

    @classmethod
    def of_suspect(cls, file: str) -> DoubtfulJudgement:
        """That of a picture that the version was learned from as good."""
        why = "it was learned from as good, and looks like judged defects"
        return cls(file, inspection_of(Path(file)), "good", why)

    def plain(self) -> Json:
        """The doubt for programs."""
        return asdict(self)


@dataclass(frozen=True)
class TaughtVersion:
    """A new version, and what it changes.

    Attributes:
        learned: the version.
        judged: what it was taught with, and the pictures of good parts that both were asked about.
        base: name of the version that was taught.
        taught: what came of it.
        unseen: which judged defects that version was not taught with, [n]; None if nobody knows.
    """

    learned: Learned
    judged: JudgedPictures
    base: str
    taught: TaughtModel
    unseen: NDArray[np.bool_] | None

    @property
    def version(self) -> str:
        """Name of the new version."""
        return self.learned.bundle.manifest.version

    @property
    def doubts(self) -> tuple[DoubtfulJudgement, ...]:
        """Judgements to look at again, and pictures of good parts that are suspect."""
        return (*self._judged, *map(DoubtfulJudgement.of_suspect, self.taught.suspects))

    @property
    def _judged(self) -> tuple[DoubtfulJudgement, ...]:
        good = len(self.judged.good)
        unlike = [self.judged.defects[number] for number in np.flatnonzero(self.taught.doubtful)]
        alike = [self.judged.good[one] for one in self.taught.others.rejected if one < good]
        if self.taught.left_out is not None:
            alike = []
        of = DoubtfulJudgement.of
        return (
            *(of(one, "reviewers disagree: left out") for one in self.judged.disputed),
            *(of(one, "it looks like a usual good part") for one in unlike),
            *(of(one, "it looks like judged defects") for one in alike),
        )

    @property
    def p_value(self) -> float | None:
        """Of the turned verdicts on good parts; None where they are too few for a test."""
        turned = self.taught.others
        return mcnemar(len(turned.rejected), len(turned.accepted))

    def lines(self) -> list[str]:
        """The comparison for people, line by line."""
        bank, others = self.taught.by_bank, self.taught.others
        count = len(self.judged.defects)
        lines = [*self._of_defects()]
        if self.taught.left_out is None:
            lines.append(
                f"the bank alone finds {share(bank.before.found, count)} at its own threshold, and "
                f"{share(bank.after.found, count)} at the one that it shares with the head"
            )
        if not self.judged.others:
            lines.append(
                "what that costs cannot be told: there is no picture of a good part that neither "
                "version was learned from. Judge some good, or put some that passed into the "
                f"folder {PASSED}"
            )
        else:
            test = "" if self.p_value is None else f" (by chance with p = {self.p_value:.2g})"
            rejected, accepted = len(others.rejected), len(others.accepted)
            lines.append(
                f"of {len(self.judged.others)} pictures of good parts, {rejected} "
                f"{'is' if rejected == 1 else 'are'} rejected that passed before, and {accepted} "
                f"{'passes that was' if accepted == 1 else 'pass that were'} rejected{test}"
            )
        if self._judged:
            files = _some([one.file for one in self._judged])
            lines.append(f"doubtful judgements: {len(self._judged)} ({files}); look at them again")
        if suspects := self.taught.suspects:
            lines.append(
                "pictures that it was learned from as good and that look like judged defects: "
                f"{len(suspects)} ({_some(suspects)}); look at them, and learn anew without those "
                "that show defects"
            )
        return lines

    def _of_defects(self) -> Iterator[str]:
        """What each version finds of the judged defects, of which neither has seen one."""
        found, count = self.taught.defects, len(self.judged.defects)
        compared = found.compared(self.unseen)
        fair = len(compared.before.score)
        after = share(found.after.found, count)
        new, how = f"version {self.version}", "each by what has not seen it"
        if self.taught.left_out is not None:
            new, how = f"{new}, the bank alone,", "none of which it has seen"
        if fair == count:
            before = f"version {self.base} finds {share(found.before.found, count)}"
            yield f"{before} of the judged defects; {new} {after}, {how}"
            return
        yield f"{new} finds {after} of the judged defects, {how}"
        if self.unseen is None:
            yield (
                f"version {self.base} does not say what it was taught with, so that it cannot be "
                "compared: what it knows by heart is no evidence"
            )
        elif not fair:
            yield (
                f"version {self.base} was taught with all of them and knows them by heart, so that "
                "it cannot be compared: judge defects that it was not taught with"
            )
        else:
            yield (
                f"version {self.base} was taught with {count - fair} of them, which it knows by "
                f"heart. Of the other {fair} it finds {share(compared.before.found, fair)}, and "
                f"version {self.version} {share(compared.after.found, fair)}"
            )

    def plain(self) -> Json:
        """The comparison for programs."""
        defects = self.taught.defects.compared(self.unseen)
        bank, others = self.taught.by_bank.compared(self.unseen), self.taught.others
        return {
            "defects": len(self.judged.defects),
            "good": len(self.judged.good),
            "passed": len(self.judged.passed),
            "found": self.taught.defects.after.found,
            "compared": len(defects.before.score),
            "found_before": defects.before.found,
            "found_after": defects.after.found,
            "bank_found_before": bank.before.found,
            "bank_found_after": bank.after.found,
            "turned": self._turned(),
            "turned_rejected": len(others.rejected),
            "turned_accepted": len(others.accepted),
            "p_value": self.p_value,
            "doubts": [one.plain() for one in self.doubts[:MOST_LISTED]],
            "kinds": self.judged.kinds,
        }

    def _turned(self) -> list[Json]:
        others = self.taught.others
        listed: list[Json] = []
        for to, numbers in (("rejected", others.rejected), ("accepted", others.accepted)):
            for number in numbers.tolist():
                listed.append(
                    {
                        **self._named(number),
                        "to": to,
                        "score_before": float(others.before.score[number]),
                        "score_after": float(others.after.score[number]),
                        "threshold_before": self.taught.in_force.image,
                        "threshold_after": self.taught.thresholds.image,
                    }
                )
        return listed[:MOST_LISTED]

    def _named(self, number: int) -> Json:
        """A picture of a good part by its file and its inspection."""
        if number < len(self.judged.good):
            one = self.judged.good[number].judged
            return {"file": one.file, "inspection": one.inspection, "judgement": "good"}
        path = self.judged.passed[number - len(self.judged.good)]
        file = path.relative_to(self.judged.folder).as_posix()
        return {"file": file, "inspection": inspection_of(path), "judgement": None}


def mcnemar(rejected: int, accepted: int) -> float | None:
    """The exact two-sided p-value of turned verdicts (McNemar, 1947); None of fewer than six.

    >>> mcnemar(6, 0), mcnemar(3, 3), mcnemar(5, 0)
    (0.03125, 1.0, None)
    """
    turned = rejected + accepted
    if turned < TESTED_FROM:
        return None
    fewer = sum(math.comb(turned, count) for count in range(min(rejected, accepted) + 1))
    return min(1.0, float(2 * fewer / 2**turned))


def inspection_of(path: Path) -> int | None:
    """The inspection by which the record has named a file; None of another name.

    >>> inspection_of(Path("passed/inspection-12.png")), inspection_of(Path("a.png"))
    (12, None)
    """
    name, _, number = path.stem.partition("-")
    return int(number) if name == "inspection" and number.isdecimal() else None


def _some(files: Sequence[str]) -> str:
    named = ", ".join(map(printable, files[:MOST_PRINTED]))
    return named + (", …" if len(files) > MOST_PRINTED else "")
