"""`takt calibrate`: new thresholds for a bundle, from pictures of the line."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt.digits import short
from takt.headings import HeadedCommand, under, with_options
from takt_export.commands.options import (
    FOLDER,
    POSITIVE,
    RUNNING,
    SHARE,
    SHOW_DEFAULTS,
    STRICT,
    plain_errors,
)
from takt_export.commands.promise import ALPHA, GROUP, LOT
from takt_export.commands.sign import sign_or_warn
from takt_export.wording import (
    NO_DECISION,
    aligned,
    guarantee_text,
    price_advice,
    price_rows,
    share,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from takt.core.bundles.tradeoff import Costs, Counts
    from takt_export.bundling.recalibrate import Recalibration
    from takt_export.calibration.grouping import Grouping
    from takt_export.calibration.rules import Rule

NAMES: dict[Rule | None, str] = {
    None: "until now",
    "conformal": "conformal",
    "best-f1": "best F1",
    "cost": "least cost",
}
WIDTH = 100


@click.command(cls=HeadedCommand, context_settings=SHOW_DEFAULTS)
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
@click.option("--dry-run", is_flag=True, help="Show the table and write nothing.")
@under(
    "Thresholds and checks",
    ALPHA,
    GROUP,
    LOT,
    click.option(
        "--deploy",
        type=click.Choice(["conformal", "best-f1", "cost"]),
        default="conformal",
        help="Whose thresholds the bundle gets; only the conformal ones carry a guarantee.",
    ),
    click.option(
        "--cost-miss", type=POSITIVE, help="Of a defective part that passes, in any unit."
    ),
    click.option(
        "--cost-reject", type=POSITIVE, help="Of a good part that is rejected, in that unit."
    ),
    click.option("--prevalence", type=SHARE, help="Share of the line's parts that are defective."),
    click.option(
        "--undecided/--no-undecided",
        default=None,
        help="Whether a picture that cannot be judged gets no decision and counts as rejected; "
        "without either, as somebody has set it, or else by whether good pictures allow it.",
    ),
    STRICT,
)
@with_options(*RUNNING)
@plain_errors
def calibrate(
    bundle: Path,
    good: Path,
    defects: Path | None,
    fitted_on: Path | None,
    alpha: float | None,
    grouping: Grouping,
    deploy: Rule,
    cost_miss: float | None,
    cost_reject: float | None,
    prevalence: float | None,
    undecided: bool | None,
    dry_run: bool,
    strict: bool,
    sign_key: Ed25519PrivateKey | None,
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

    from takt.core.bundles.bundle import load_bundle
    from takt.core.bundles.card import CARD
    from takt_export.bundling.recalibrate import (
        RecalibrationOptions,
        check_writable,
        find_thresholds,
    )
    from takt_export.bundling.recalibrate import deploy as deploy_thresholds
    from takt_export.pictures import list_pictures
    from takt_export.report.card import renew_card

    loaded = load_bundle(bundle)
    if not dry_run:
        check_writable(loaded)
    found = find_thresholds(
        loaded,
        list_pictures(good),
        list_pictures(defects) if defects else (),
        list_pictures(fitted_on) if fitted_on else (),
        RecalibrationOptions(
            alpha=alpha,
            rule=deploy,
            costs=costs,
            threads=threads,
            strict=strict,
            grouping=grouping,
            undecided=undecided,
        ),
        tell=click.echo,
        quiet=quiet,
    )
    click.echo(calibration_table(found))
    if not dry_run:
        deploy_thresholds(found, click.echo)
        if (bundle / CARD).exists():
            renew_card(load_bundle(bundle), click.echo)
        sign_or_warn(bundle, sign_key)
    click.echo(deployment(found, dry_run=dry_run))


def _costs(miss: float | None, reject: float | None, prevalence: float | None) -> Costs | None:
    from takt.core.bundles.tradeoff import Costs

    if miss is None and reject is None and prevalence is None:
        return None
    if miss is None or reject is None or prevalence is None:
        raise click.UsageError("--cost-miss, --cost-reject and --prevalence belong together")
    return Costs(miss, reject, prevalence)


def calibration_table(found: Recalibration) -> str:
    """The thresholds of each rule with their counts, the guarantee in words, and the choice."""
    from takt_export.calibration.self_test import finding_lines

    manifest = found.bundle.manifest
    counts = found.chosen.of_both
    lines = [
        f"{manifest.name} version {manifest.version}: {counts.good} good pictures"
        + (f" and {counts.defective} defective ones" if counts.defective else ""),
        "",
        *_rows(found),
        "",
        _entry("guarantee", _promise(found)),
    ]
    if counts.defective:
        lines.append(
            _entry(
                "no promise",
                "best F1 and least cost are chosen by the very pictures that they are counted on: "
                "expect them to do worse on others. F1 depends on how many good and defective "
                "pictures there are, which is not as on a line."
                if found.costs is not None
                else "best F1 is chosen by the very pictures that it is counted on: expect it to "
                "do worse on others. It depends on how many good and defective pictures there "
                "are, which is not as on a line.",
            )
        )
    lines += [_entry("note", note) for note in _notes(found)]
    lines.append(_entry("self-test", found.self_test.text))
    if (bears := found.self_test.bears) is not None:
        lines.append(_entry("bears", bears.text))
    lines += finding_lines(found.self_test)
    if (prices := found.self_test.prices) is not None:
        lines += ["price of α", *(f"{'':<12}{line}" for line in aligned(price_rows(prices)))]
        if (advice := price_advice(prices)) is not None:
            lines.append(_entry("advice", advice))
    if found.undecided is None and found.thresholds.undecided:
        lines.append(_entry("no decision", f"{NO_DECISION}, unless somebody has switched that off"))
    return "\n".join(lines)


def deployment(found: Recalibration, *, dry_run: bool) -> str:
    """The thresholds that the bundle has now, or would have without --dry-run."""
    chosen = found.chosen
    what = f"{NAMES[chosen.rule]}: score {chosen.image:.6g}, map {chosen.pixel:.6g}"
    if dry_run:
        return _entry("deployed", f"nothing, as it is a dry run; it would be {what}")
    return _entry("deployed", f"{what}; a server that is running takes them within seconds")


def _rows(found: Recalibration) -> list[str]:
    head = ["rule", "threshold", "good rejected", "defects missed"]
    head += [] if found.costs is None else ["cost a part"]
    rows = []
    for one in found.candidates:
        name = NAMES[one.rule] + (" *" if one is found.chosen else "")
        rows.append([f"{name}, score", *_cells(found, one.image, one.of_image)])
        rows.append([f"{name}, map", *_cells(found, one.pixel, one.of_pixel)])
        rows.append([f"{name}, either", *_cells(found, None, one.of_both)])
    return aligned([head, *rows])


def _cells(found: Recalibration, threshold: float | None, counts: Counts) -> list[str]:
    cells = ["" if threshold is None else f"{threshold:.6g}", share(counts.rejected, counts.good)]
    cells.append(share(counts.missed, counts.defective) if counts.defective else "-")
    if found.costs is not None:
        cells.append(short(found.costs.per_part(counts)))
    return cells


def _promise(found: Recalibration) -> str:
    alpha, good = found.alpha.value, found.chosen.of_both.good
    spread = 100 * math.sqrt(alpha * (1 - alpha) / (good + 2))
    seen_known = bool(found.calibration.seen.size)
    return (
        f"conformal: {guarantee_text(alpha, f'these {good}', seen_known=seen_known)}. The "
        "probability is over the calibration pictures and the new one together: with this one "
        f"calibration the rate may lie above or below, by some {spread:.2g} points. Nothing is "
        "promised of defects, of one kind of part alone, or where line, light or parts have "
        "changed since."
    )


def _notes(found: Recalibration) -> list[str]:
    from takt_export.calibration.self_test import notes_beside

    notes = notes_beside(found.self_test, found.thresholds.notes)
    chosen = found.chosen
    if chosen.rule != "conformal":
        counts = chosen.of_both
        if counts.rejected == counts.good:
            notes.append(f"{NAMES[chosen.rule]} rejects every picture")
        if counts.missed == counts.defective:
            notes.append(f"{NAMES[chosen.rule]} rejects no defect at all")
    return notes


def _entry(name: str, text: str) -> str:
    first, others = f"{name:<12}", " " * 12
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
