"""A model taught by judged defects: a new version, and what it finds that the one before missed."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from export.calibration.known_parts import former_part_ids
from export.errors import LearnError
from export.learning.family import learning_of
from export.learning.learn import (
    OTHERS_S,
    Learned,
    LearnOptions,
    exported,
    fit_folder,
    told_of_full_disk,
)
from export.learning.place import Place
from export.learning.stages import Stages
from export.learning.teaching import TaughtModel, Teach, TeachingPicture, TeachRequest
from export.learning.update import base_of
from export.pictures import check_pictures, list_pictures, picture_size
from export.wording import share
from models.checkpoints.facts import Checkpoint
from models.checkpoints.formats import load_checkpoint
from models.checkpoints.picture_digest import picture_digest
from models.fit.device import Compute
from service.core.bundles.bundle import CHECKPOINT, Bundle, load_bundle
from service.core.bundles.conformal import choose_alpha
from service.core.bundles.taught import TaughtRecord
from service.core.bundles.thresholds import in_force, read_overrides
from service.core.domain import Json
from service.core.judged import JudgedFile, JudgedWord, read_judged

PASSED = "passed"
"""Folder of pictures that passed and that nobody has judged; they only show what turns."""

MOST_LISTED = 100
"""Most pictures of one list of the result for programs."""

MOST_PRINTED = 20
"""Most pictures of one line for people."""

TESTED_FROM = 6
"""Fewest turned verdicts that can differ from chance: five of one kind have p = 0.06."""


@dataclass(frozen=True)
class JudgedPictures:
    """What there is to teach with.

    Attributes:
        folder: of the pictures.
        defects: judged defects, each once.
        good: pictures judged good, each once.
        passed: pictures that passed and that nobody has judged.
        disputed: pictures that one reviewer calls good and another one a defect, left out.
    """

    folder: Path
    defects: tuple[TeachingPicture, ...]
    good: tuple[TeachingPicture, ...]
    passed: tuple[Path, ...]
    disputed: tuple[TeachingPicture, ...] = ()

    @property
    def others(self) -> tuple[Path, ...]:
        """The pictures of good parts, judged ones first."""
        return (*(one.path for one in self.good), *self.passed)

    @property
    def kinds(self) -> dict[str, int]:
        """Number of defects of each kind, of no named one under an empty name."""
        return dict(Counter(one.judged.kind or "" for one in self.defects))

    def text(self) -> str:
        """The pictures for people."""
        others = f", {len(self.passed)} that passed" if self.passed else ""
        return f"{len(self.defects)} judged defects, {len(self.good)} judged good{others}"


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
        judged: what it was taught with.
        base: name of the version that was taught.
        taught: what came of it.
    """

    learned: Learned
    judged: JudgedPictures
    base: str
    taught: TaughtModel

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
        defects, bank, others = self.taught.defects, self.taught.by_bank, self.taught.others
        count = len(self.judged.defects)
        before = f"version {self.base} finds {share(defects.before.found, count)} of the judged"
        after = share(defects.after.found, count)
        if self.taught.left_out is None:
            lines = [
                f"{before} defects; version {self.version} {after}, each by what has not seen it",
                f"the bank alone finds {share(bank.before.found, count)} at its own threshold, and "
                f"{share(bank.after.found, count)} at the one that it shares with the head",
            ]
        else:
            lines = [f"{before} defects; version {self.version}, the bank alone, {after}"]
        if self.judged.others:
            test = "" if self.p_value is None else f" (by chance with p = {self.p_value:.2g})"
            lines.append(
                f"of {len(self.judged.others)} pictures of good parts, {len(others.rejected)} are "
                f"rejected that passed before, and {len(others.accepted)} pass that were "
                f"rejected{test}"
            )
        if self._judged:
            files = _some([one.file for one in self._judged])
            lines.append(
                f"{len(self._judged)} judgements are doubtful ({files}): look at them again"
            )
        if suspects := self.taught.suspects:
            lines.append(
                f"{len(suspects)} pictures that it was learned from as good look like judged "
                f"defects ({_some(suspects)}): look at them, and learn anew without those "
                "that show defects"
            )
        return lines

    def plain(self) -> Json:
        """The comparison for programs."""
        defects, bank, others = self.taught.defects, self.taught.by_bank, self.taught.others
        return {
            "defects": len(self.judged.defects),
            "good": len(self.judged.good),
            "passed": len(self.judged.passed),
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


def teach(
    folder: Path, place: Place, options: LearnOptions, compute: Compute, stages: Stages
) -> TaughtVersion:
    """Teaches a model's active version by judged pictures; makes the next version.

    If none is active, as each waits for an activation, it goes on from the highest one. Whatever a
    version was taught before is forgotten: all that is to count is in the folder.

    Args:
        folder: judged pictures, as `service.core.judged` describes them, and `passed` besides.
        place: where the version goes; its model has a version.
        options: of the whole way; the family is that of the active version.
        compute: device and precision.
        stages: the bar.

    Raises:
        BundleError: the active version is damaged.
        CalibrationError: the version keeps too few good parts for alpha.
        ConfigurationError: the folder cannot be understood.
        LearnError: the active version cannot be taught, there is no defect, or a head would cost
            more than it finds, and there is none that would have to go.
        PicturesError: a picture cannot be read.
        SelfTestError: something speaks against the model, and the options are strict.
    """
    stages.plan({"look": 1, "fit": 5, **OTHERS_S})
    stages.begin("look")
    base = load_bundle(base_of(place))
    former, teaching = _teachable(base)
    judged = judged_pictures(folder, stages)
    defects = [one.path for one in judged.defects]
    assert former.out_of_fold is not None and former.good_cells is not None
    wanted = options.alpha or base.manifest.thresholds.alpha
    alpha = choose_alpha(wanted, len(former.out_of_fold.pictures)).value
    with fit_folder(place) as scratch, told_of_full_disk(place.repository):
        checkpoint = scratch / "fit.safetensors"
        stages.begin("fit")
        taught = teaching(
            TeachRequest(
                former,
                judged.defects,
                options.grouping.parts_of(defects).number,
                judged.others,
                in_force(base, read_overrides(base.path, base.repository)),
                alpha,
                checkpoint,
                options.seed,
                compute,
            ),
            stages,
        )
        left_out = why_left_out(taught)
        if left_out is not None and former.good_cells.head is None:
            raise LearnError(f"{left_out}. {_stays(base, taught)}")
        kept = replace(options, family=base.manifest.family, alpha=alpha).export(checkpoint)
        kept = replace(
            kept,
            origin=(checkpoint, base.path / CHECKPOINT),
            former_parts=former_part_ids(base, former),
        )
        if left_out is None:
            kept = replace(
                kept,
                taught=_record(base, judged, taught),
                judgements=b"".join(one.judged.line() for one in (*judged.defects, *judged.good)),
            )
        # What the head has seen says nothing of what it finds.
        bundle = exported(place, kept, judged.others, () if judged.others else defects, stages)
    if left_out is not None:
        stages.tell(
            f"warning: {left_out}. So version {bundle.manifest.version} is the bank alone, and "
            "what was taught before is forgotten"
        )
    return TaughtVersion(Learned(bundle, judged), judged, base.manifest.version, taught)


def judged_pictures(folder: Path, stages: Stages) -> JudgedPictures:
    """The pictures of a folder to teach with; a file that is there twice counts once.

    Raises:
        ConfigurationError: the folder cannot be understood.
        LearnError: there is no defect, a picture is another one than was judged, is judged both
            ways, or lacks what its box marks.
        PicturesError: a picture cannot be read.
    """
    found: dict[str, TeachingPicture] = {}
    listed = read_judged(folder)
    for number, one in enumerate(listed, 1):
        picture = _judged_picture(folder, one)
        known = found.setdefault(one.sha256, picture)
        if known.judged.judgement != one.judgement:
            raise LearnError(
                f"{known.judged.file} and {one.file} are one picture, judged "
                f"{known.judged.judgement} and {one.judgement}: take away the wrong one"
            )
        stages.at(number, len(listed), "pictures")
    agreed = [one for one in found.values() if not one.judged.disputed]
    defects = tuple(one for one in agreed if one.judged.judgement == "defect")
    if not defects:
        raise LearnError(
            f"{folder} has no judged defect: judge what was missed first, in the console or by "
            "`takt records judge`"
        )
    beside = folder / PASSED
    passed = list_pictures(beside) if beside.is_dir() and any(beside.iterdir()) else ()
    known_digests = {picture_digest(one.path) for one in found.values()}
    passed = tuple(path for path in passed if picture_digest(path) not in known_digests)
    check_pictures(passed)
    good = tuple(one for one in agreed if one.judged.judgement == "good")
    disputed = tuple(one for one in found.values() if one.judged.disputed)
    return JudgedPictures(folder, defects, good, passed, disputed)


def why_left_out(taught: TaughtModel) -> str | None:
    """Why there is no head, in words; None if there is one."""
    if taught.left_out is None:
        return None
    alone, count = taught.by_bank.before, len(taught.left_out.score)
    if alone.found == count:
        return (
            f"the bank alone finds all {count} judged defects at its own threshold: a head has "
            "nothing to find, and would cost some of what the bank finds"
        )
    return (
        f"of {count} judged defects, bank and head together find {taught.left_out.found}, each by "
        f"what has not seen it, and the bank alone {alone.found}: a head would cost more than it "
        "finds"
    )


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
    return ", ".join(files[:MOST_PRINTED]) + (", …" if len(files) > MOST_PRINTED else "")


def _teachable(base: Bundle) -> tuple[Checkpoint, Teach]:
    name = f"version {base.manifest.version} of {base.manifest.name}"
    again = "learn the model anew from its good pictures, and teach that version"
    learning = learning_of(base.manifest.family)
    teaching = None if learning is None else learning.teach
    if teaching is None:
        raise LearnError(f"{name} is a {base.manifest.family}, which cannot be taught: {again}")
    if CHECKPOINT not in base.manifest.files:
        raise LearnError(f"{name} keeps no bank that a head can be put beside: {again}")
    found = load_checkpoint((base.path / CHECKPOINT,))
    if found.good_cells is None or found.out_of_fold is None:
        raise LearnError(f"{name} keeps no features of its good parts: {again}")
    return found, teaching


def _judged_picture(folder: Path, judged: JudgedFile) -> TeachingPicture:
    path = folder / judged.file
    width, height = picture_size(path)
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != judged.sha256:
            raise LearnError(f"{path} is another picture than was judged: write the folder anew")
    picture = TeachingPicture(path, judged, width, height)
    if judged.box is not None and not picture.holds(judged.box):
        raise LearnError(
            f"{path} has {width} x {height} pixels, and its box lies outside: correct it"
        )
    return picture


def _stays(base: Bundle, taught: TaughtModel) -> str:
    """That there is no new version, and what helps."""
    name, in_force = f"version {base.manifest.version}", taught.defects.before.found
    if in_force < taught.by_bank.before.found:
        limit = taught.thresholds.image
        return (
            f"No version was made. By the threshold in force {name} finds only {in_force} of them: "
            f"lower it (`PUT …/threshold`; the bank's own is {limit:.6g})"
        )
    return (
        f"No version was made, and {name} stays as it is. Judge further defects that it misses, "
        "with a box around each"
    )


def _record(base: Bundle, judged: JudgedPictures, taught: TaughtModel) -> TaughtRecord:
    return TaughtRecord(
        base=base.manifest.version,
        defects=len(judged.defects),
        good=len(judged.good),
        kinds=judged.kinds,
        found_before=taught.defects.before.found,
        found=taught.defects.after.found,
        bank_found_before=taught.by_bank.before.found,
        bank_found=taught.by_bank.after.found,
    )
