"""From good pictures to the next version of a model: fit, graph, thresholds, self-test, card."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from takt.core.bundles.bearing import MovementKind
from takt.core.bundles.bundle import Bundle
from takt.core.bundles.conformal import conformal_rank
from takt.core.errors import BundleError
from takt.core.families.every import learnable, named, names_of
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.calibration.grouping import BY_LOOKS, Grouping
from takt_export.errors import LearnError
from takt_export.learning.family import FitRequest, learning_of
from takt_export.learning.look import look_at_pictures
from takt_export.learning.place import Place, keep_active
from takt_export.learning.search.searching import Searched, search_banks
from takt_export.learning.size_request import USUAL_SIZE, SizeRequest
from takt_export.learning.stages import Stages
from takt_export.out_folder import next_version
from takt_export.pictures import list_pictures
from takt_export.report.card import renew_card
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.fit.device import Compute
from takt_models.fit.inpformer.encoders import LITE0
from takt_models.fit.resume import Resume

OTHERS_S = {"export": 10, "thresholds": 5, "self-test": 8, "load": 4}


@dataclass(frozen=True)
class LearnOptions:
    """How a model is learned.

    Attributes:
        family: of the detector.
        alpha: share of good pictures that may be refused; the smallest possible from 1 % on if
            None.
        minutes: time for the fit of a family that trains; its own default if None.
        seed: seed of everything random.
        threads: of ONNX Runtime; 0 takes every core.
        strict: write nothing if anything speaks against the model.
        quiet: show no bar.
        encoder: of a PatchCore or an INP-Former.
        sizing: what was asked about the size of the input.
        sign_key: signs the bundle; it is not signed if None.
        grouping: tells which good pictures show one part and count once.
        search_minutes: time to try several ways to learn a PatchCore; 0 for none but the default.
        movement: how much of it is to be borne, by its kind.
    """

    family: str
    alpha: float | None = None
    minutes: float | None = None
    seed: int = 0
    threads: int = 0
    strict: bool = False
    quiet: bool = False
    encoder: str = LITE0
    sizing: SizeRequest = USUAL_SIZE
    sign_key: Ed25519PrivateKey | None = None
    grouping: Grouping = BY_LOOKS
    search_minutes: float = 0.0
    movement: Mapping[MovementKind, float] = field(default_factory=dict)

    @property
    def fit_s(self) -> float:
        """About the seconds that the fit takes."""
        family = named(self.family)
        if self.minutes is not None and family.is_trained:
            return 60 * self.minutes
        return family.fit_s or 0.0

    def export(self, checkpoint: Path) -> ExportOptions:
        """The options of the export of a fit's file, which the bundle keeps if it can grow."""
        return ExportOptions(
            alpha=self.alpha,
            threads=self.threads,
            strict=self.strict,
            checkpoint=checkpoint if named(self.family).takes_more else None,
            sign_key=self.sign_key,
            origin=(checkpoint,),
            grouping=self.grouping,
            movement=self.movement,
        )


class LearnedPictures(Protocol):
    """Pictures that can be told of."""

    def text(self) -> str:
        """The pictures for people."""


@dataclass(frozen=True)
class Learned:
    """A new version.

    Attributes:
        bundle: as the service loads it.
        pictures: that it was learned from.
        searched: ways to learn that were tried before; None without a search.
    """

    bundle: Bundle
    pictures: LearnedPictures
    searched: Searched | None = None


def learn(
    good: Path,
    defects: Path | None,
    place: Place,
    options: LearnOptions,
    compute: Compute,
    stages: Stages,
) -> Learned:
    """Learns a model's next version.

    Args:
        good: folder of good pictures.
        defects: folder of defective pictures, for the record; the thresholds do not use them.
        place: where the version goes.
        options: of the whole way.
        compute: device and precision of the fit.
        stages: the bar.

    Raises:
        CalibrationError: too few good pictures for alpha.
        click.BadParameter: the family does not take the size.
        EncoderError: the encoder cannot be had.
        ExportError: the graph answers unlike the model.
        FitError: too few good pictures for the family.
        LearnError: the family cannot be learned, the disk is full, or the pictures are too few for
            a search.
        PicturesError: there are no pictures, or one cannot be read.
        SelfTestError: something speaks against the model, and the options are strict.
    """
    learning = learning_of(options.family)
    if learning is None:
        those = names_of(learnable())
        raise LearnError(f"no {options.family} can be learned here: give one of {those}")
    searching = {"search": 60 * options.search_minutes} if options.search_minutes else {}
    stages.plan({"look": 1, **searching, "fit": options.fit_s, **OTHERS_S})
    stages.begin("look")
    bad = list_pictures(defects) if defects else ()
    pictures = look_at_pictures(good, bad, options.grouping, stages)
    if options.alpha is not None:  # before a fit whose file would be lost
        conformal_rank(learning.most_scores(pictures), options.alpha)
    searched = None
    if searching:
        stages.begin("search")
        searched = search_banks(
            pictures, bad, options.search_minutes, options.seed, compute, stages
        )
    with fit_folder(place) as folder, told_of_full_disk(place.repository):
        checkpoint = folder / "fit.safetensors"
        stages.begin("fit")
        request = FitRequest(
            pictures,
            checkpoint,
            options.minutes,
            options.seed,
            compute,
            options.quiet,
            options.encoder,
            options.sizing,
            searched.taken.choice if searched else None,
        )
        learning.fit(request, stages)
        with _done_once_there(place, options.family, checkpoint):
            bundle = exported(place, options.export(checkpoint), pictures.paths, bad, stages)
    return Learned(bundle, pictures, searched)


@contextlib.contextmanager
def _done_once_there(place: Place, family: str, checkpoint: Path) -> Iterator[None]:
    """Removes the state of a fit whose version is there: another fit would go on from its end.

    It stays where others have made that version meanwhile, as the fit is for the next one then.
    """
    is_ours = True
    try:
        yield
    except BundleError:
        is_ours = False
        raise
    finally:
        if is_ours and named(family).is_trained and place.path.exists():
            Resume(checkpoint, {}, {}).path.unlink(missing_ok=True)


def exported(
    place: Place,
    options: ExportOptions,
    good: Sequence[Path],
    defects: Sequence[Path],
    stages: Stages,
) -> Bundle:
    """The bundle of a fit's file, with its card; what was active before stays so.

    Args:
        place: where the version goes.
        options: of the export; the file comes first among its `origin`.
        good: pictures of good parts.
        defects: pictures of defective parts, for the record.
        stages: the bar.

    Raises:
        CalibrationError, ExportError, PicturesError, SelfTestError: as `export_bundle` does.
    """
    stages.begin("export")
    source = CheckpointSource(load_checkpoint((options.origin[0],)))
    report = export_bundle(
        source,
        good,
        defects,
        place.path,
        options,
        tell=stages.tell,
        stage=stages.begin,
        ready=partial(keep_active, place, stages.tell),
        quiet=True,
    )
    renew_card(report.bundle, stages.tell)
    return report.bundle


def state_of(place: Place, family: str) -> str:
    """What an interruption of a family's learning has left, for people."""
    if place.path.exists():
        card = f"`takt card --write {quote(str(place.path))}`"
        return f"{place.path} was written all the same; {card} gives it its card"
    # Beside a family that needs no steps lies that of another one.
    if named(family).is_trained and any(_fit_folder_of(place).glob("*.resume")):
        return "the same command goes on from the last state of the fit"
    return "nothing was written, and the same command starts again"


@contextlib.contextmanager
def told_of_full_disk(repository: Path) -> Iterator[None]:
    """Turns the error of a full disk into one that says what to do.

    Raises:
        LearnError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise LearnError(
            f"the disk is full: make room for {repository} and for temporary files (TMPDIR), or "
            "give --repository on another disk; no version was written"
        ) from error


@contextlib.contextmanager
def fit_folder(place: Place) -> Iterator[Path]:
    """A folder for the fit; stays after an error only if the fit can go on from it.

    What the interrupted fit of another family left in it waits for the next version.

    Raises:
        LearnError: another process fits this version, or has made it meanwhile.
    """
    folder = _fit_folder_of(place)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder, place):
        came = f"{place.path} came meanwhile: give the same command again"
        try:
            if place.path.exists():
                raise LearnError(came)
            yield folder
        except BundleError as error:
            if not place.path.exists():
                raise
            raise LearnError(came) from error
        finally:
            states = [*folder.glob("*.resume")]
            if place.path.exists():
                _pass_on(states, place)
            if place.path.exists() or not states:
                shutil.rmtree(folder, ignore_errors=True)
                with contextlib.suppress(OSError):
                    place.path.parent.rmdir()


def _pass_on(states: Sequence[Path], place: Place) -> None:
    """Moves what fits can go on from to where the version after this one is fitted."""
    if not states:
        return
    later = _fit_folder_of(replace(place, version=next_version(place.path.parent)))
    with contextlib.suppress(OSError):
        later.mkdir()
        for state in states:
            state.replace(later / state.name)


@contextlib.contextmanager
def _alone(folder: Path, place: Place) -> Iterator[None]:
    """Keeps other processes from a fit's folder during the block.

    Raises:
        LearnError: another one has it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LearnError(
                    f"version {place.version} of {place.model} is being learned already: wait "
                    "until that is over, and give the same command again"
                ) from None
        yield
    finally:
        os.close(descriptor)


def _fit_folder_of(place: Place) -> Path:
    """The hidden folder in which a version is fitted, beside its later place."""
    return place.path.with_name(f".{place.version}.fit")
