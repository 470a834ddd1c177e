"""`takt learn`: from a folder of good pictures to a version that can be served."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.fit_options import compute_on
from export.commands.options import (
    ALPHA,
    FOLDER,
    POSITIVE,
    QUIET,
    SEED,
    SHOW_DEFAULTS,
    plain_errors,
    threads,
)

if TYPE_CHECKING:
    from export.learning.families import Family

FAMILIES = ("patchcore", "efficientad", "inpformer")


@click.command(context_settings=SHOW_DEFAULTS)
@click.argument("good", type=FOLDER)
@click.option("--model", required=True, help="Name of the model, as requests will give it.")
@click.option(
    "--repository",
    type=FOLDER,
    show_default="that of `takt serve`",
    help="Folder of the models; the version goes to REPOSITORY/MODEL/VERSION.",
)
@click.option("--family", type=click.Choice(FAMILIES), default="patchcore", help="Of detectors.")
@click.option(
    "--defects",
    type=FOLDER,
    help="Pictures of defective parts: shows how many are found; the thresholds do not use them.",
)
@ALPHA
@click.option(
    "--minutes",
    type=POSITIVE,
    show_default="20",
    help="Time for the fit of efficientad or inpformer.",
)
@click.option(
    "--server",
    metavar="URL",
    show_default="on this host, at the port of `takt serve`",
    help="A running server of this repository, to say when it has the version.",
)
@SEED
@click.option("--device", default="auto", help="Where to compute: auto, cpu, cuda, cuda:1, …")
@threads("CPU threads.")
@QUIET
@plain_errors
def learn(
    good: Path,
    model: str,
    repository: Path | None,
    family: Family,
    defects: Path | None,
    alpha: float | None,
    minutes: float | None,
    server: str | None,
    seed: int,
    device: str,
    threads: int,
    quiet: bool,
) -> None:
    """Learn a model from GOOD, a folder of pictures of good parts, and put it in the repository.

    It becomes the model's next version. A running server loads it: the model's first version
    answers at once, a later one once it is activated.
    """
    from service.settings import load_settings

    settings = load_settings()
    repository = repository or settings.repository
    url = (server or f"http://127.0.0.1:{settings.port}").rstrip("/")

    from export.learning.stages import Stages

    with Stages(quiet=quiet) as stages:
        # These take seconds to load, behind the bar.
        from export.learning.learn import LearnOptions, state_of
        from export.learning.learn import learn as learn_it
        from export.learning.place import bundles_of, next_place
        from export.learning.running import wait_for
        from export.learning.summary import summary

        place = next_place(repository, model)
        others = bundles_of(repository)
        try:
            learned = learn_it(
                good,
                defects,
                place,
                LearnOptions(family, alpha, minutes, seed, threads, quiet),
                compute_on(device, threads),
                stages,
            )
        except KeyboardInterrupt:
            stages.close()
            click.echo(f"\nstopped; {state_of(place)}", err=True)
            raise click.exceptions.Exit(130) from None
        stages.begin("load")
        running = wait_for(url, model, place.version, others)
    click.echo(summary(learned, place, stages.told, stages.seconds, running, url))
