"""`takt watch`."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from takt.commands.access import access_options
from takt.commands.errors import plain_errors
from takt.commands.watch.report import WatchReport
from takt.commands.watch.run import Watch, Watches
from takt.commands.watch.streams import OpenStream, WatchOptions
from takt.commands.watch.table import OutcomeTable
from takt.configuration import load_settings
from takt.core.distribution import CLIENT, install_hint
from takt.headings import HeadedCommand, under
from takt.sources.capture import SourceError
from takt.sources.labels import by_pattern, by_table, file_labels
from takt.sources.pacing import WatchClock
from takt.sources.sources import source_of, station_names
from takt.streaming.evidence import MOST_VOTES, VotingRule
from takt.streaming.session import Policy

if TYPE_CHECKING:
    from takt_client.connection import ServerAccess


def _remote_streams(
    url: str,
    access: ServerAccess,
    model: str | None,
    version: str | None,
    watches: Watches,
    clock: WatchClock,
) -> AbstractAsyncContextManager[OpenStream]:
    try:
        from takt.commands.watch.outage import Outage
        from takt.commands.watch.remote import RETRY, remote_streams
    except ModuleNotFoundError as error:
        raise click.ClickException(f"--url needs {error.name}; {install_hint(CLIENT)}") from None
    outage = Outage(url, RETRY, clock, _say, lambda: watches.left_out, watches.kept)
    return remote_streams(url, access, model, version, outage)


def _vote(text: str) -> VotingRule:
    k, _, n = text.partition("/")
    if not (k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n) <= MOST_VOTES):
        raise click.BadParameter(f"{text} is no vote; 3/5 is, of at most {MOST_VOTES} frames")
    return VotingRule(int(k), int(n))


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise click.BadParameter(f"{text} is no regular expression: {error}") from None
    if "part" not in pattern.groupindex or set(pattern.groupindex) - {"part", "lot"}:
        raise click.BadParameter(
            "it has a group (?P<part>…), and if need be (?P<lot>…), and no other names"
        )
    return pattern


def _stations(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    if len(set(value)) < len(value) or not all(value):
        raise click.BadParameter("each source has a name of its own")
    return value


@click.command(cls=HeadedCommand)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@under(
    "What inspects",
    click.option(
        "--bundle",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Inspect in this process, with this bundle: a folder <name>/<version>. The engine is "
        "as the TAKT_… settings say.",
    ),
    click.option("--url", metavar="URL", help="Inspect on this server, http://HOST:PORT."),
    click.option("--model", help="The server's model; its only one if none is named."),
    click.option("--version", help="The model's version; else the active one."),
)
@under(
    "Frames",
    click.option(
        "--policy",
        type=click.Choice(["all", "latest"]),
        help="Answer every frame, or the newest only.  [default: latest for a live source, else "
        "all]",
    ),
    click.option(
        "--fps",
        metavar="FLOAT",
        type=click.FloatRange(0, min_open=True),
        help="Most frames in a second; those of a live source in between are left out.",
    ),
    click.option(
        "--limit", metavar="INTEGER", type=click.IntRange(1), help="End after this many frames."
    ),
    click.option("--loop", is_flag=True, help="Begin a video file again at its end."),
    click.option(
        "--station",
        "names",
        metavar="NAME",
        multiple=True,
        callback=_stations,
        help="Name of the source, in the server's record too; with several sources one for each, "
        "in their order.  [default: none for one source, else after each]",
    ),
)
@under(
    "For a server's record",
    click.option("--lot", help="The lot that all parts belong to."),
    click.option(
        "--part",
        "pattern",
        metavar="REGEX",
        type=_pattern,
        help="What a picture's file name in a folder, without its suffix, says of the part: groups "
        "named part and lot, such as '(?P<lot>[^_]+)_(?P<part>.+)'.",
    ),
    click.option(
        "--parts",
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="CSV with the columns file and part, which say it for the pictures of a folder; lot, "
        "if it is there, and all others as tags.",
    ),
)
@under(
    "Verdict over time",
    click.option(
        "--vote",
        metavar="K/N",
        type=_vote,
        help="Say what k of the last n frames say, such as 3/5.",
    ),
    click.option(
        "--smoothing",
        metavar="FLOAT",
        type=click.FloatRange(0, 1, min_open=True),
        help="Weight of each new score in a smoothed one.",
    ),
)
@under(
    "Output",
    click.option(
        "--save",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for overlays of the anomalous frames.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print a JSON object on each line."),
)
@access_options
@plain_errors
def watch(
    sources: tuple[str, ...],
    names: tuple[str, ...],
    bundle: Path | None,
    url: str | None,
    model: str | None,
    version: str | None,
    policy: Policy | None,
    fps: float | None,
    vote: VotingRule | None,
    smoothing: float | None,
    save: Path | None,
    as_json: bool,
    loop: bool,
    limit: int | None,
    lot: str | None,
    pattern: re.Pattern[str] | None,
    parts: Path | None,
    access: ServerAccess,
) -> None:
    """Inspect the frames of each SOURCE as they come.

    SOURCE is a folder (the pictures in it, and new ones as they come), a video file, a webcam's
    number, or an address such as rtsp://HOST/PATH. Several are watched at once, each by a stream of
    its own. Ctrl-C ends with a summary. Ends with 1 if a source, the bundle or the server cannot go
    on.
    """
    if names and len(names) != len(sources):
        raise click.UsageError(f"{len(sources)} sources need as many --station, not {len(names)}")
    if (bundle is None) == (url is None):
        raise click.UsageError("name a --bundle or a --url, and not both")
    if pattern is not None and parts is not None:
        raise click.UsageError("give --part or --parts, and not both")
    if bundle is not None:
        _refuse_of_a_server("--model and --version are of a server", model, version)
        _refuse_of_a_server("a key and certificates are of a server", *access.values())
        record = "--lot, --part and --parts are for a server's record"
        _refuse_of_a_server(record, lot, pattern, parts)
    stations = names or station_names(sources)
    clock = WatchClock()
    table = None if as_json else _table(stations, smoothed=smoothing is not None, vote=bool(vote))
    own_rate = policy == "latest" and fps is None

    def watch_of(source: str, station: str | None) -> Watch | None:
        say = _say if station is None else lambda text: _say(f"{station}: {text}")
        try:
            found = source_of(
                source, loop=loop, own_rate=own_rate, clock=clock, notice=say, labels_of=labels_of
            )
        except SourceError as error:
            if len(sources) == 1:
                raise
            say(str(error))
            return None
        options = WatchOptions(
            policy=policy or ("latest" if found.live else "all"),
            fps=fps,
            limit=limit,
            vote=vote,
            smoothing=smoothing,
            overlays=save is not None,
            station=station,
            lot=lot,
        )
        report = WatchReport(click.echo, table, save=save, station=station)
        return Watch(found, report, options, clock, say)

    labels_of = file_labels if pattern is None else by_pattern(pattern)
    if parts is not None:
        labels_of = by_table(parts)
    all_of_them = [watch_of(*each) for each in zip(sources, stations, strict=True)]
    watches = Watches([watch for watch in all_of_them if watch is not None])
    opening: AbstractAsyncContextManager[OpenStream]
    if bundle is not None:
        from takt.commands.watch.local import local_streams

        opening = local_streams(bundle, load_settings())
    else:
        assert url is not None
        opening = _remote_streams(url, access, model, version, watches, clock)
    failed = asyncio.run(_run(watches, opening)) + all_of_them.count(None)
    watches.sum_up()
    if failed:
        raise click.ClickException(f"{failed} of {len(sources)} sources failed")


def _refuse_of_a_server(what: str, *given: object) -> None:
    if any(given):
        raise click.UsageError(f"{what}; name its --url")


def _table(stations: Sequence[str | None], *, smoothed: bool, vote: bool) -> OutcomeTable:
    named = tuple(station for station in stations if station is not None)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return OutcomeTable(click.echo, named, width=width, smoothed=smoothed, vote=vote)


def _say(text: str) -> None:
    click.echo(text, err=True)


async def _run(watches: Watches, opening: AbstractAsyncContextManager[OpenStream]) -> int:
    """Watches until the sources end or the process is told to end; how many failed."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        watches.stop()
        # A second signal ends the process at once, also while a camera is still being read.
        for number in signals:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in signals:
        loop.add_signal_handler(number, stop)
    return await watches.run(opening)
