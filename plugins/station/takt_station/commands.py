"""`takt station`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from takt.commands.errors import plain_errors

_HEADING = f"{'part':>10} {'result':<11} {'score':>8} {'took':>10}"


class _RunsAFile(click.Group):
    """`takt station FILE` is `takt station run FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_RunsAFile)
def station() -> None:
    """From a PLC's trigger to a result at the gate, inside the cycle.

    `takt station FILE` runs the station that FILE describes until Ctrl-C; `takt station check FILE`
    says what is wrong with it, by line.
    """


@station.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--quiet", is_flag=True, help="No line for each part; only what is not well.")
@plain_errors
def run(file: Path, quiet: bool) -> None:
    """Run the station that FILE describes, until Ctrl-C."""
    from takt.observing.line_writer import LineWriter
    from takt_station.file import read_station_file
    from takt_station.opening import open_station
    from takt_station.report import StationReport

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        async with open_station(said, report, _tell) as (opened, place):
            _tell(f"station {said.station.name} listens to a PLC on {place}")
            report.say(_HEADING)
            # What is there now stays: no part waits for a look through all of it.
            gc.collect()
            gc.freeze()
            await opened.run()

    said = read_station_file(file)
    with (
        told_on_stderr(),
        _appended(said.station.log) as note,
        contextlib.closing(LineWriter(sys.stdout)) as printer,
    ):
        report = StationReport(_nothing if quiet else printer.put, note)
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(work())
    click.echo(report.summary(), err=True)


@station.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@plain_errors
def check(file: Path) -> None:
    """Say what is wrong with FILE, by line; ends with 1 if anything is."""
    from takt_station.file import read_station_file

    said = read_station_file(file)
    cameras = ", ".join(said.cameras)
    click.echo(
        f"{file} is right: station {said.station.name} asks {said.station.server}, listens to a "
        f"PLC ({said.plc.summary}), and has the cameras {cameras}"
    )


@contextlib.contextmanager
def told_on_stderr() -> Iterator[None]:
    """What is not well is a line on stderr; a row of equal failures is one, with their number.

    Whoever reaches the port can have something fail as often as it likes.
    """
    from takt.observing.repeats import Repeats

    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.addFilter(Repeats(handler.handle))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


@contextlib.contextmanager
def _appended(path: Path | None) -> Iterator[Callable[[str], None] | None]:
    """What adds lines to a file, where nobody waits for it."""
    from takt.observing.line_writer import LineWriter

    if path is None:
        yield None
        return
    try:
        stream = path.open("a", encoding="utf-8")
    except OSError as error:
        why = error.strerror or error
        raise click.ClickException(f"station.log: {path} cannot be written: {why}") from None
    with stream, contextlib.closing(LineWriter(stream)) as writer:
        yield writer.put


def _nothing(line: str) -> None:
    """Say nothing."""


def _tell(text: str) -> None:
    click.echo(text, err=True)
