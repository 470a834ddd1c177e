"""`takt inspect-checkpoint` and `takt card`: the contents of a checkpoint and of a bundle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt.digits import short
from takt_export.commands.options import FOLDER, plain_errors
from takt_export.wording import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from takt_models.checkpoints.description import Description
    from takt_models.checkpoints.facts import TrainedThresholds


@click.command("inspect-checkpoint")
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
@plain_errors
def inspect_checkpoint(files: tuple[Path, ...], as_json: bool) -> None:
    """Say what checkpoints hold, without running anything in them.

    nelson1425's three files count as one checkpoint where they lie in one folder. The exit status
    is 1 if any checkpoint cannot be loaded.
    """
    from takt_models.checkpoints.description import describe
    from takt_models.checkpoints.formats import grouped

    described = [describe(together) for together in grouped(files)]
    if as_json:
        plain = [dataclasses.asdict(one) for one in described]
        click.echo(json.dumps(plain, indent=2, default=str))
    else:
        click.echo("\n\n".join(_text(one) for one in described))
    if not all(one.loadable for one in described):
        raise click.exceptions.Exit(1)


def _text(described: Description) -> str:
    """The files, then an aligned line for each known fact."""
    from takt_models.checkpoints.errors import printable

    rows = [("  " + name, printable(value)) for name, value in _rows(described)]
    return "\n".join([*map(str, described.files), *aligned(rows, str.ljust)])


def _rows(described: Description) -> Iterator[tuple[str, str]]:
    """Known facts with their names; the last says whether the checkpoint can be loaded."""
    if described.format:
        yield "format", described.format
    model = " ".join(filter(None, (described.family, described.variant)))
    if model and described.parameters:
        yield "model", f"{model}, {described.parameters / 1e6:.3g} M parameters"
    elif model:
        yield "model", model
    if described.made_with:
        yield "made with", ", ".join(f"{k} {v}" for k, v in sorted(described.made_with.items()))
    if described.input:
        yield "input", described.input
    if described.map:
        yield "map", described.map
    if described.statistics:
        yield "statistics", described.statistics
    if described.thresholds:
        yield "thresholds", _thresholds(described.thresholds)
    elif described.loadable:
        yield "thresholds", "none stored"
    if described.seen:
        yield "seen", f"{described.seen} good picture{'s' if described.seen > 1 else ''}"
    if described.missing:
        yield "missing", f"{' and '.join(described.missing)}; an export measures them on pictures"
    for assumption in described.assumptions:
        yield "assumed", assumption
    yield "loadable", "yes" if described.loadable else f"no: {described.problem}"


def _thresholds(trained: TrainedThresholds) -> str:
    score = f"score {trained.image:.6g}{_seen(trained.image_min, trained.image_max)}"
    return f"{score}, map {trained.pixel:.6g}{_seen(trained.pixel_min, trained.pixel_max)}"


def _seen(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f" (seen: {short(low)} to {short(high)})"


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option("--write", is_flag=True, help="Write it to card.md in the bundle instead.")
@plain_errors
def card(bundle: Path, write: bool) -> None:
    """Print the model card of BUNDLE: thresholds, drift, variants and versions, as Markdown."""
    from takt.core.bundles.bundle import load_bundle
    from takt_export.report.card import card as card_of
    from takt_export.report.card import write_card

    loaded = load_bundle(bundle)
    if write:
        click.echo(f"wrote {write_card(loaded)}")
    else:
        click.echo(card_of(loaded.manifest), nl=False)
