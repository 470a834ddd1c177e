"""`takt learn`: from a folder of good pictures to a version that can be served."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from takt.core.domain import Json
from takt.core.families.every import learnable, named, names_of, usual
from takt.headings import HeadedCommand, under
from takt_export.commands.fit.options import ENCODER, USUAL_ENCODER, compute_on
from takt_export.commands.fit.sizing import SIZE
from takt_export.commands.options import (
    FOLDER,
    POSITIVE,
    QUIET,
    SEED,
    SHOW_DEFAULTS,
    SIGN_KEY,
    STRICT,
    plain_errors,
    threads,
)
from takt_export.commands.promise import ALPHA, GROUP, LOT, MOVEMENT
from takt_export.learning.size_request import AUTO, SizeRequest
from takt_models.input_size import InputSize

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from takt.core.bundles.bearing import MovementKind
    from takt_export.calibration.grouping import Grouping


@click.command(cls=HeadedCommand, context_settings=SHOW_DEFAULTS)
@click.argument("folder", metavar="[GOOD]", type=FOLDER, required=False)
@click.option("--good", type=FOLDER, help="The same as GOOD.")
@click.option("--model", help="Name of the model, as requests will give it.")
@click.option(
    "--update",
    metavar="MODEL",
    help="Add the pictures to the bank of this model's active version, instead of learning anew.",
)
@click.option(
    "--teach",
    "judged",
    metavar="DIR",
    type=FOLDER,
    help="With --update: teach the model by judged pictures instead, as `takt records export "
    "--folder` writes them: a head beside the bank finds what resembles the defects.",
)
@click.option(
    "--repository",
    type=FOLDER,
    show_default="that of `takt serve`",
    help="Folder of the models; the version goes to REPOSITORY/MODEL/VERSION.",
)
@click.option(
    "--family",
    type=click.Choice([one.name for one in learnable()]),
    default=usual().name,
    help="Of detectors.",
)
@click.option(
    "--defects",
    type=FOLDER,
    help="Pictures of defective parts: shows how many are found; the thresholds do not use them. "
    "With --size auto, the smallest of them stays visible if there are masks.",
)
@under(
    "The model",
    ENCODER,
    SIZE,
    click.option(
        "--minutes",
        type=POSITIVE,
        show_default="20",
        help=f"Time for the fit of {names_of(one for one in learnable() if one.is_trained)}.",
    ),
    click.option(
        "--search",
        "search_minutes",
        metavar="MINUTES",
        type=POSITIVE,
        show_default="no search",
        help="Time to try other sizes, blocks and sizes of the bank first; takes another than the "
        "default only where it finds clearly more made-up defects, and of --defects, half of which "
        "help to choose. Tiles and other families are not tried.",
    ),
)
@under("Thresholds and checks", ALPHA, GROUP, LOT, MOVEMENT, STRICT)
@under(
    "Running",
    SIGN_KEY,
    click.option(
        "--server",
        metavar="URL",
        show_default="on this host, at the port of `takt serve`",
        help="A running server of this repository, to say when it has the version.",
    ),
    SEED,
    click.option("--device", default="auto", help="Where to compute: auto, cpu, cuda, cuda:1, …"),
    threads("CPU threads."),
    click.option(
        "--progress",
        type=click.Choice(("bar", "json")),
        default="bar",
        help="json: for programs, an object a line on the standard output, the last one with the "
        "result; no server is waited for.",
    ),
    QUIET,
)
@plain_errors
def learn(
    folder: Path | None,
    good: Path | None,
    model: str | None,
    update: str | None,
    judged: Path | None,
    repository: Path | None,
    family: str,
    defects: Path | None,
    encoder: str,
    size: InputSize | Literal["auto"] | None,
    latency_ms: float | None,
    alpha: float | None,
    grouping: Grouping,
    movement: Mapping[MovementKind, float],
    minutes: float | None,
    search_minutes: float | None,
    strict: bool,
    sign_key: Ed25519PrivateKey | None,
    server: str | None,
    seed: int,
    device: str,
    threads: int,
    progress: Literal["bar", "json"],
    quiet: bool,
) -> None:
    """Learn a model from GOOD, a folder of pictures of good parts, and put it in the repository.

    It becomes the model's next version. A running server loads it: the model's first version
    answers at once, unless its self-test says not to serve it; any other one once it is activated.
    """
    pictures = good or folder
    name = update or model
    if judged is not None:
        _check_teaching(pictures, update, defects)
    elif pictures is None or (good and folder):
        raise click.UsageError("give one folder of good pictures: takt learn GOOD --model NAME")
    if name is None or (update and model):
        raise click.UsageError(
            "name the model: --model NAME for a new one or for a fit of its own, --update NAME to "
            "add pictures to the one that is active"
        )

    if update and (size is not None or encoder != USUAL_ENCODER):
        raise click.UsageError("--update keeps the size and the encoder of the version")
    if update and not named(family).takes_more:
        those = names_of((one for one in learnable() if one.takes_more), "and")
        raise click.UsageError(f"--update is for {those}, not {family}: leave --family out")
    if encoder != USUAL_ENCODER and not named(family).takes_encoder:
        those = names_of((one for one in learnable() if one.takes_encoder), "and")
        raise click.UsageError(f"--encoder is for {those}")
    if minutes is not None and not named(family).is_trained:
        those = names_of((one for one in learnable() if one.is_trained), "and")
        raise click.UsageError(f"--minutes is for {those}; a {family} is not trained: leave it out")
    if latency_ms is not None and size != AUTO:
        raise click.UsageError("--latency-ms goes with --size auto")

    if search_minutes is not None:
        _check_search(family, encoder, size, update)

    from takt.configuration import load_settings

    settings = load_settings()
    repository = repository or settings.repository_folder
    url = (server or f"http://127.0.0.1:{settings.port or 8000}").rstrip("/")

    from takt_export.learning.progress import lines_to
    from takt_export.learning.stages import Stages

    report = lines_to(sys.stdout) if progress == "json" else None
    quiet = quiet or report is not None
    with Stages(quiet=quiet, report=report) as stages:
        # These take seconds to load, behind the bar.
        from takt_export.learning import learn as new
        from takt_export.learning.place import bundles_of, next_place
        from takt_export.learning.running import Running, wait_for
        from takt_export.learning.set_by_hand import tell_of_set_by_hand
        from takt_export.learning.summary import facts, summary

        place = next_place(repository, name)
        if report is not None:
            report({"event": "place", "model": name, "version": place.version})
        others = bundles_of(repository)
        sizing = SizeRequest(size, latency_ms, defects if size == AUTO else None)
        options = new.LearnOptions(
            family,
            alpha,
            minutes,
            seed,
            threads,
            strict,
            quiet,
            encoder,
            sizing,
            sign_key,
            grouping,
            search_minutes or 0.0,
            movement,
        )
        compute = compute_on(device, threads)
        compared: list[str] = []
        further_facts: Json = {}
        try:
            if judged is not None:
                from takt_export.learning.teaching import teach as teaching

                taught = teaching.teach(judged, place, options, compute, stages)
                learned, compared = taught.learned, taught.lines()
                further_facts = {"taught": taught.plain()}
            elif update:
                from takt_export.learning import update as further

                assert pictures is not None
                updated = further.update(pictures, defects, place, options, compute, stages)
                learned, compared = updated.learned, updated.lines()
            else:
                assert pictures is not None
                learned = new.learn(pictures, defects, place, options, compute, stages)
        except KeyboardInterrupt:
            stages.close()
            stopped = f"stopped; {new.state_of(place, family)}"
            stages.failed(stopped)
            click.echo(f"\n{stopped}", err=True)
            raise click.exceptions.Exit(130) from None
        tell_of_set_by_hand(place, learned.bundle, url, stages.tell)
        stages.begin("load")
        if report is not None:
            report({"event": "result", **facts(learned, stages.told, compared), **further_facts})
            return
        try:
            running = wait_for(url, name, place.version, learned.bundle.digest, others)
        except KeyboardInterrupt:  # of the wait alone: the version is there
            running = Running("absent")
    click.echo(summary(learned, place, stages.told, stages.seconds, running, url, compared))


def _check_teaching(pictures: Path | None, update: str | None, defects: Path | None) -> None:
    """Refuses what teaching cannot go with."""
    if update is None:
        raise click.UsageError("--teach goes with --update NAME, which names the model to teach")
    if pictures is not None or defects is not None:
        raise click.UsageError(
            "--teach takes judged pictures alone; to add good pictures to the bank, update first "
            "and teach what comes of it"
        )


def _check_search(
    family: str, encoder: str, size: InputSize | Literal["auto"] | None, update: str | None
) -> None:
    """Refuses what a search cannot go with."""
    if update:
        raise click.UsageError("--update keeps the bank's settings: leave --search out")
    if not named(family).is_searched:
        those = names_of(one for one in learnable() if one.is_searched)
        raise click.UsageError(f"--search is for the family {those}, not {family}: leave it out")
    if encoder != USUAL_ENCODER:
        raise click.UsageError(f"--search is for the encoder {USUAL_ENCODER}: leave --encoder out")
    if size is not None:
        raise click.UsageError("--search chooses the size itself: leave --size out")
