"""`takt watch`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from service.commands.watch.pacing import Time
from service.commands.watch.report import Report
from service.commands.watch.run import Plan, Watch
from service.commands.watch.sources import Source, source_of
from service.commands.watch.streams import Stream, Wishes
from service.distribution import CLIENT, install_hint
from service.errors import TaktError
from service.settings import load_settings
from service.streaming.evidence import MOST_VOTES, VotingRule
from service.streaming.session import Policy
from service.streaming.statistics import StreamStatistics, Tally


@dataclass(frozen=True, slots=True)
class _Inspector:
    """Who inspects: a bundle's folder, or a server, its model and version."""

    bundle: Path | None
    url: str | None
    model: str | None
    version: str | None

    def stream(self, wishes: Wishes) -> AbstractAsyncContextManager[Stream]:
        """A stream to it."""
        if self.bundle is not None:
            from service.commands.watch.local import local_stream

            return local_stream(self.bundle, load_settings(), wishes)
        return self._remote(wishes)

    @asynccontextmanager
    async def _remote(self, wishes: Wishes) -> AsyncIterator[Stream]:
        try:
            from service.commands.watch.remote import RETRY, remote_stream
            from takt_client import AsyncTaktClient
            from takt_client import TaktError as ClientError
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"--url needs {error.name}; {install_hint(CLIENT)}"
            ) from None
        assert self.url is not None
        try:
            async with (
                AsyncTaktClient(self.url, retry=RETRY) as client,
                remote_stream(client, self.model, self.version, wishes) as stream,
            ):
                yield stream
        except ClientError as error:
            raise click.ClickException(str(error)) from None


class _Vote(click.ParamType[VotingRule]):
    name = "k/n"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> VotingRule:
        k, _, n = str(value).partition("/")
        if not (k.isdecimal() and n.isdecimal() and 1 <= int(k) <= int(n) <= MOST_VOTES):
            self.fail(f"{value} is no vote; 3/5 is, of at most {MOST_VOTES} frames", param, ctx)
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
@click.option("--vote", type=_Vote(), help="Say what k of the last n frames say, such as 3/5.")
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
) -> None:
    """Inspect the frames of SOURCE as they come.

    SOURCE is a folder (the pictures in it, and new ones as they come), a video file, a webcam's
    number, or an address such as rtsp://HOST/PATH. Ctrl-C ends with a summary.
    """
    if (bundle is None) == (url is None):
        raise click.UsageError("name a --bundle or a --url, and not both")
    if bundle is not None and (model or version):
        raise click.UsageError("--model and --version are of a server; name its --url")
    clock = Time()
    try:
        found = source_of(
            source, loop=loop, own_rate=policy == "latest" and fps is None, clock=clock, notice=_say
        )
        chosen: Policy = policy or ("latest" if found.live else "all")
        wishes = Wishes(chosen, vote, smoothing, overlays=save is not None)
        report = Report(click.echo, as_json=as_json, save=save)
        stream = _Inspector(bundle, url, model, version).stream(wishes)
        asyncio.run(_run(found, stream, report, Plan(chosen, fps, limit), clock))
    except TaktError as error:
        raise click.ClickException(str(error)) from None


def _say(text: str) -> None:
    click.echo(text, err=True)


async def _run(
    source: Source,
    connecting: AbstractAsyncContextManager[Stream],
    report: Report,
    plan: Plan,
    clock: Time,
) -> None:
    """Watches until the source ends or the process is told to end, and sum up."""
    stop, connected = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        # The second time ends at once, as if nobody had listened.
        stop.set()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signal_number)

    for signal_number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signal_number, told)

    async def watch() -> StreamStatistics:
        async with connecting as stream:
            connected.set()
            return await Watch(source, stream, report, plan, clock, _say).run(stop)

    watching, stopping = asyncio.create_task(watch()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not connected.is_set():
            # A server that is away, or a bundle that is loading: nothing was sent.
            watching.cancel()
        await asyncio.wait({watching})
        report.sum_up(Tally().statistics() if watching.cancelled() else watching.result())
    finally:
        watching.cancel()
        stopping.cancel()
        await asyncio.gather(watching, stopping, return_exceptions=True)
