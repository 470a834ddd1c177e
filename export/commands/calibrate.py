"""`takt calibrate`: thresholds anew for a bundle that is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from export.commands.failures import plain_errors
from export.commands.options import ALPHA, FOLDER, QUIET, THREADS

if TYPE_CHECKING:
    from export.bundling.recalibrate import Rule
    from export.calibration.tradeoff import Costs

COST = click.FloatRange(min=0, min_open=True)


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option(
    "--good",
    type=FOLDER,
    required=True,
    help="Pictures of good parts as the line takes them; those that the fit has seen are left out.",
)
@click.option(
    "--defects",
    type=FOLDER,
    help="Pictures of defective parts: shows what each threshold misses, and adds the rules that "
    "need some.",
)
@click.option(
    "--fitted-on",
    type=FOLDER,
    help="The good pictures of the training, where the bundle does not know them: no threshold "
    "comes from these.",
)
@ALPHA
@click.option(
    "--deploy",
    type=click.Choice(["conformal", "best-f1", "cost"]),
    default="conformal",
    show_default=True,
    help="Whose thresholds the bundle gets; only the conformal ones carry a guarantee.",
)
@click.option("--cost-miss", type=COST, help="Of a defective part that passes, in any unit.")
@click.option("--cost-reject", type=COST, help="Of a good part that is rejected, in that unit.")
@click.option(
    "--prevalence",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the line's parts that are defective.",
)
@click.option("--dry-run", is_flag=True, help="Show the table and write nothing.")
@THREADS
@QUIET
@plain_errors
def calibrate(
    bundle: Path,
    good: Path,
    defects: Path | None,
    fitted_on: Path | None,
    alpha: float | None,
    deploy: Rule,
    cost_miss: float | None,
    cost_reject: float | None,
    prevalence: float | None,
    dry_run: bool,
    threads: int,
    quiet: bool,
) -> None:
    """Find a bundle's thresholds anew, from pictures of the line, and deploy them.

    BUNDLE is REPOSITORY/NAME/VERSION. Its own graph scores the pictures. Thresholds, calibration
    scores and the start of the colour scale are replaced, the graph is not; thresholds that were
    set on a running server are removed.
    """
    costs = _costs(cost_miss, cost_reject, prevalence)
    if deploy != "conformal" and defects is None:
        raise click.UsageError(f"--deploy {deploy} needs pictures of defective parts: --defects")
    if costs is not None and defects is None:
        raise click.UsageError("costs need pictures of defective parts: --defects")
    if deploy == "cost" and costs is None:
        raise click.UsageError("--deploy cost needs --cost-miss, --cost-reject and --prevalence")

    from export.bundling.recalibrate import (
        RecalibrationOptions,
        check_writable,
        find_thresholds,
    )
    from export.bundling.recalibrate import deploy as deploy_thresholds
    from export.commands.calibration_table import calibration_table, deployment
    from export.pictures import list_pictures
    from export.report.card import CARD, write_card
    from service.bundles.bundle import load_bundle

    loaded = load_bundle(bundle)
    if not dry_run:
        check_writable(loaded)
    found = find_thresholds(
        loaded,
        list_pictures(good),
        list_pictures(defects) if defects else (),
        list_pictures(fitted_on) if fitted_on else (),
        RecalibrationOptions(alpha=alpha, rule=deploy, costs=costs, threads=threads),
        tell=click.echo,
        quiet=quiet,
    )
    click.echo(calibration_table(found))
    if not dry_run:
        deploy_thresholds(found, click.echo)
        if (bundle / CARD).exists():
            write_card(load_bundle(bundle))
    click.echo(deployment(found, dry_run=dry_run))


def _costs(miss: float | None, reject: float | None, prevalence: float | None) -> Costs | None:
    from export.calibration.tradeoff import Costs

    if miss is None and reject is None and prevalence is None:
        return None
    if miss is None or reject is None or prevalence is None:
        raise click.UsageError("--cost-miss, --cost-reject and --prevalence belong together")
    return Costs(miss, reject, prevalence)
