"""`takt card`: what is in a bundle, for people."""

from __future__ import annotations

from pathlib import Path

import click

from export.commands.failures import plain_errors
from export.commands.options import FOLDER


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option("--write", is_flag=True, help="Write it to card.md in the bundle instead.")
@plain_errors
def card(bundle: Path, write: bool) -> None:
    """Print the model card of BUNDLE: thresholds, drift, variants and versions, as Markdown."""
    from export.report.card import card as card_of
    from export.report.card import write_card
    from service.bundles.bundle import load_bundle

    loaded = load_bundle(bundle)
    if write:
        click.echo(f"wrote {write_card(loaded)}")
    else:
        click.echo(card_of(loaded.manifest), nl=False)
