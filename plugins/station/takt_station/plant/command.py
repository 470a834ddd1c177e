"""`takt simulate`."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click

from takt.commands.access import access_options
from takt.commands.errors import plain_errors
from takt_station.plant.faults import REAL_FAULTS, Fault, FaultKind
from takt_station.plant.pace import USUAL_GATE_MS, USUAL_RATE, pace_for

if TYPE_CHECKING:  # `takt --help` lists this command without what it works with
    from takt_client.connection import ServerAccess
    from takt_station.plant.box import BoxOutcome, BoxServer
    from takt_station.plant.layout import PlantLayout
    from takt_station.plant.program import GateMove
    from takt_station.plant.table import PartTable

_RECIPE: Final = 1
_CODE: Final = "PLATE-"
_ALPHA: Final = 0.02
_FAULT: Final = re.compile(r"([a-z_]+)@([0-9.]+)(?:\+([0-9.]+))?")


def _faults(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[Fault, ...]:
    found = []
    for text in value:
        match = _FAULT.fullmatch(text)
        if match is None or match[1] not in [*REAL_FAULTS]:
            kinds = ", ".join(REAL_FAULTS)
            message = f"{text} is no fault; {REAL_FAULTS[0]}@5+2 is, from 5 s on for 2 s: {kinds}"
            raise click.BadParameter(message, ctx, param)
        found.append(Fault(FaultKind(match[1]), float(match[2]), float(match[3] or 2.0)))
    return tuple(found)


@click.command(context_settings={"show_default": True})
@click.option("--parts", type=click.IntRange(1), default=50, help="Parts that pass.")
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 50),
    show_default=f"{USUAL_RATE:g}, or fewer where the server is slow",
    help="Parts a second.",
)
@click.option(
    "--gate-ms",
    type=click.FloatRange(20, 60_000),
    show_default=f"{USUAL_GATE_MS:g}, or more where the server is slow",
    help="Time of a part from the trigger to the gate; its result comes within three quarters.",
)
@click.option("--defects", type=click.FloatRange(0, 1), default=0.25, help="Share of defects.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the parts.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND@S[+S]",
    callback=_faults,
    help=f"What goes wrong, from when on, and for how long: {', '.join(REAL_FAULTS)}.",
)
@click.option(
    "--url", help="A server of yours.", show_default="one of the demo's model, on this machine"
)
@click.option(
    "--recipe",
    type=click.IntRange(1, 65535),
    default=_RECIPE,
    help="Number of the recipe, of one view named top.",
)
@click.option(
    "--good",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    show_default="drawn plates",
    help="Folder of pictures of good parts.",
)
@click.option(
    "--bad",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    show_default="drawn plates",
    help="Folder of pictures of parts with a defect.",
)
@access_options
@plain_errors
def simulate(
    parts: int,
    rate: float | None,
    gate_ms: float | None,
    defects: float,
    seed: int,
    faults: tuple[Fault, ...],
    url: str | None,
    recipe: int,
    good: Path | None,
    bad: Path | None,
    access: ServerAccess,
) -> None:
    """A plant in a box: PLC, conveyor, camera, station and gate, in processes on this machine.

    Parts pass a trigger, the PLC asks the station by Modbus, the camera takes a picture, the server
    judges it, and the gate lets through what is OK in time. First the server is asked about each
    picture, which tells how fast parts may pass on this host. Ends with 1 if a part passed that
    must not, or has another part's result.
    """
    from takt.commands.demo.serving import ended_by_signals
    from takt_station.plant.box import BoxServer
    from takt_station.plant.conveyor import Conveyor
    from takt_station.plant.layout import PlantLayout

    if url is None and (good is not None or bad is not None):
        raise click.UsageError("--good and --bad are for a server that knows such parts: its --url")
    if (good is None) != (bad is None):
        raise click.UsageError("give --good and --bad, or neither")
    # How fast it goes is known once the server has been asked.
    conveyor = Conveyor(math.inf, math.inf, math.inf, parts, seed, defects)
    # A server of yours may have recipes by codes that it knows.
    layout = PlantLayout(conveyor, recipe, good, bad, _CODE if url is None else "")
    with contextlib.ExitStack() as opened:
        opened.enter_context(ended_by_signals())
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="takt-plant-")))
        if url is not None:
            server = BoxServer(url, access=access)
        else:
            server = opened.enter_context(_demo_server(folder, recipe))
        asyncio.run(_play(layout.drawn(folder / "pictures"), rate, gate_ms, server, folder, faults))


async def _play(
    layout: PlantLayout,
    rate: float | None,
    gate_ms: float | None,
    server: BoxServer,
    folder: Path,
    faults: tuple[Fault, ...],
) -> None:
    """Ask the server first, let all parts pass, and tell of each and of all."""
    from takt_station.plant.box import PICTURE_SHARE, PlantBox
    from takt_station.plant.expected import expected_of
    from takt_station.plant.layout import pictures_of
    from takt_station.plant.table import HEADING, PartTable

    pictures = pictures_of(layout)
    expected = await expected_of(
        server.url, server.access, layout.recipe, layout.conveyor, pictures
    )
    chosen = pace_for(expected.times_ms, rate, gate_ms)
    pace = chosen.pace
    conveyor = replace(layout.conveyor, every_s=1 / pace.rate, gate_s=pace.gate_ms / 1000)
    table = PartTable(
        conveyor,
        layout.names(),
        lambda part: expected.results[conveyor.picture(part, pictures)].verdict,
        pace.result_ms,
        1000 * PICTURE_SHARE / pace.rate,
    )
    box = PlantBox(replace(layout, conveyor=conveyor), pace.result_ms, server, folder)

    def moved(move: GateMove) -> None:
        for row in table.rows(move, box.wait_ms(move)):
            click.echo(row)

    click.echo(f"{chosen.said}\n")
    click.echo(f"the station at work: {server.url}/console/stations/plant", err=True)
    click.echo(HEADING)
    outcome = await box.run(faults, moved, expected)
    _sum_up(outcome, table)
    if table.untimely and not faults and pace.fits(expected.times_ms):
        click.echo(
            f"For want of time {table.untimely} had no decision: the host had more to do by then. "
            f"Try\n{pace.slowed(2).options()}"
        )


@contextlib.contextmanager
def _demo_server(folder: Path, recipe: int) -> Iterator[BoxServer]:
    """A server with the demo's model and a recipe for it."""
    from takt.commands.demo.serving import serving
    from takt.commands.demo.shipped import MODEL, unpack
    from takt_client import TaktClient, TaktError
    from takt_station.plant.box import BoxServer
    from takt_station.plant.layout import PlantError

    unpack(folder / "models")
    # Station, PLC and camera have cores of their own in a plant.
    with serving(folder / "models", folder, niceness=10) as server:
        try:
            with TaktClient(server.url) as client:
                client.save_recipe(
                    "plate",
                    number=recipe,
                    alpha=_ALPHA,
                    deadline_ms=2000,
                    views=[{"name": "top", "model": MODEL}],
                    codes=[f"{_CODE}*"],
                )
        except TaktError as error:
            raise PlantError(f"the server refuses the recipe: {error}") from None
        yield BoxServer(server.url, server)


def _sum_up(outcome: BoxOutcome, table: PartTable) -> None:
    import numpy as np

    moves, has_defect = outcome.moves, table.conveyor.has_defect
    passed = [one for one in moves if one.passed]
    escaped = sum(has_defect(one.part) for one in passed)
    rejected = [one for one in moves if not one.passed]
    good = sum(not has_defect(one.part) for one in rejected)
    click.echo(
        f"\n{len(moves)} parts at the gate: {len(passed)} passed ({escaped} with a defect), "
        f"{len(rejected)} rejected ({good} good ones)"
    )
    if reasons := table.reasons():
        click.echo(click.wrap_text(reasons, 80))
    if outcome.times_ms.size:
        p50, p99, worst = np.percentile(outcome.times_ms, (50, 99, 100))
        click.echo(
            f"trigger to result in the PLC: p50 {p50:.1f} ms, p99 {p99:.1f}, worst {worst:.1f}"
        )
    for line in outcome.broken:
        click.echo(f"BROKEN: {line}", err=True)
    if outcome.broken:
        raise click.ClickException(f"{len(outcome.broken)} promises did not hold")
    click.echo("Every result was its part's own, and nothing passed without an OK of its own.")
