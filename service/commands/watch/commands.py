"""`takt watch`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.commands.access import access_options
from service.commands.watch.pacing import WatchClock
from service.commands.watch.report import WatchReport
from service.commands.watch.run import Watch
from service.commands.watch.sources import source_of
from service.commands.watch.streams import ShotStream, WatchOptions
from service.configuration import load_settings
from service.distribution import CLIENT, install_hint
from service.errors import TaktError
from service.streaming.evidence import MOST_VOTES, VotingRule
from service.streaming.session import Policy
from service.streaming.statistics import StreamStatistics

if TYPE_CHECKING:
    from takt_client.connection import ServerAccess


@asynccontextmanager
async def _remote_stream(
    url: str,
    access: ServerAccess,
    model: str | None,
    version: str | None,
    options: WatchOptions,
) -> AsyncIterator[ShotStream]:
    try:
        from service.commands.watch.remote import RETRY, remote_stream
        from takt_client import AsyncTaktClient
        from takt_client import TaktError as ClientError
    except ModuleNotFoundError as error:
        raise click.ClickException(f"--url needs {error.name}; {install_hint(CLIENT)}") from None
    try:
        async with (
            AsyncTaktClient(url, retry=RETRY, **access) as client,
            remote_stream(client, model, version, options) as stream,
        ):
            yield stream
    except ClientError as error:
        raise click.ClickException(str(error)) from None


def _vote(ctx: click.Context, param: click.Parameter, value: str | None) -> VotingRule | None:
    if value is None:
        return None
    k, _, n = value.partition("/")
    if not (k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n) <= MOST_VOTES):
        message = f"{value} is no vote; 3/5 is, of at most {MOST_VOTES} frames"
        raise click.BadParameter(message, ctx, param)
    return VotingRule(int(k), int(n))


@click.command()
@click.argument("source")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Inspect in this process, with this bundle: a folder <name>/<version>. The engine is as "
    "the TAKT_… settings say.",
)
@click.option("--url", help="Inspect on this server, http://HOST:PORT.")
@click.option("--model", help="The server's model; its only one if none is named.")
@click.option("--version", help="The model's version; else the active one.")
@click.option(
    "--policy",
    type=click.Choice(["all", "latest"]),
    help="Answer every frame, or the newest only.  [default: latest for a live source, else all]",
)
@click.option(
    "--fps",
    type=click.FloatRange(0, min_open=True),
    help="Most frames in a second; those of a live source in between are left out.",
)
@click.option(
    "--vote",
    metavar="K/N",
    callback=_vote,
    help="Say what k of the last n frames say, such as 3/5.",
)
@click.option(
    "--smoothing",
    type=click.FloatRange(0, 1, min_open=True),
    help="Weight of each new score in a smoothed one.",
)
@click.option(
    "--save",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for overlays of the anomalous frames.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object on each line.")
@click.option("--loop", is_flag=True, help="Begin a video file again at its end.")
@click.option("--limit", type=click.IntRange(1), help="End after this many frames.")
@access_options
def watch(
    source: str,
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
    access: ServerAccess,
) -> None:
    """Inspect the frames of SOURCE as they come.

    SOURCE is a folder (the pictures in it, and new ones as they come), a video file, a webcam's
    number, or an address such as rtsp://HOST/PATH. Ctrl-C ends with a summary.
    """
    if (bundle is None) == (url is None):
        raise click.UsageError("name a --bundle or a --url, and not both")
    if bundle is not None and (model or version):
        raise click.UsageError("--model and --version are of a server; name its --url")
    if bundle is not None and any(access.values()):
        raise click.UsageError("a key and certificates are of a server; name its --url")
    clock = WatchClock()
    try:
        found = source_of(
            source, loop=loop, own_rate=policy == "latest" and fps is None, clock=clock, notice=_say
        )
        chosen: Policy = policy or ("latest" if found.live else "all")
        options = WatchOptions(chosen, fps, limit, vote, smoothing, overlays=save is not None)
        report = WatchReport(click.echo, as_json=as_json, save=save)
        stream: AbstractAsyncContextManager[ShotStream]
        if bundle is not None:
            from service.commands.watch.local import local_stream

            stream = local_stream(bundle, load_settings(), options)
        else:
            assert url is not None
            stream = _remote_stream(url, access, model, version, options)
        report.sum_up(asyncio.run(_run(Watch(found, report, options, clock, _say), stream)))
    except TaktError as error:
        raise click.ClickException(str(error)) from None


def _say(text: str) -> None:
    click.echo(text, err=True)


async def _run(
    watch: Watch, connecting: AbstractAsyncContextManager[ShotStream]
) -> StreamStatistics:
    """Watches until the source ends or the process is told to end."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        watch.stop()
        # A second signal ends the process at once, as it does without handlers.
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
    return await watch.run(connecting)
