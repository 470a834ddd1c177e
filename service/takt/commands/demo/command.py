"""`takt demo`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # `takt --help` lists this command without what it works with
    from takt.commands.demo.asking import KnownPicture

_SHOWN_GOOD = range(50_000, 50_004)
_SHOWN_DEFECTS = range(50_000, 50_002)
"""Seeds that the model has not learned."""


@click.command(context_settings={"show_default": True})
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    help="Port to listen on, on this machine alone; 0 takes a free one.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="a temporary one, which is removed at the end",
    help="For the model, the pictures and overlays, the record and the server's log.",
)
@click.option("--once", is_flag=True, help="End after the verdicts.")
def demo(port: int, folder: Path | None, once: bool) -> None:
    """Serve a made-up part, inspect drawn pictures of it, print the verdicts; until Ctrl-C.

    It needs nothing but this command and an engine: the model comes with it. The part is a plate
    that a program draws, so that its verdicts promise nothing about real parts.
    """
    from takt.commands.demo.serving import ended_by_signals

    try:
        with contextlib.ExitStack() as opened:
            opened.enter_context(ended_by_signals())
            if folder is None:
                folder = Path(opened.enter_context(TemporaryDirectory(prefix="takt-demo-")))
            _demonstrate(folder, port, once=once)
    except KeyboardInterrupt:
        click.echo("\nstopped", err=True)
    except OSError as error:
        why = error.strerror or error
        raise click.ClickException(f"{folder or 'TMPDIR'} cannot be written: {why}") from None


def _demonstrate(folder: Path, port: int, *, once: bool) -> None:
    # These take a moment to load.
    from takt.commands.demo.asking import inspect_all
    from takt.commands.demo.serving import serving
    from takt.commands.demo.shipped import MODEL, unpack

    models = folder / "models"
    unpack(models)
    pictures = _draw(folder / "pictures")
    with serving(models, folder, port) as server:
        inspect_all(server.url, MODEL, pictures, folder / "overlays")
        click.echo(
            "The plate and its defects are drawn by a program, and easy: these verdicts promise "
            "nothing about real parts."
        )
        if once:
            return
        click.echo(
            f"\nconsole:   {server.url}/console\n"
            f"pictures:  {folder / 'pictures'}/, to drop on its page Try\n"
            f"overlays:  {folder / 'overlays'}/\n"
            f"or ask:    curl --data-binary @{pictures[-1].path} "
            f"{server.url}/v1/models/{MODEL}/inspect\n"
            f"log:       {server.log}\n\n"
            "Serving until Ctrl-C. A model of your own parts: takt learn --help"
        )
        server.wait()


def _draw(folder: Path) -> list[KnownPicture]:
    """Pictures that the model has not seen, good ones first, as files."""
    from takt.commands.demo.asking import KnownPicture
    from takt.commands.demo.part import TRUTHS, jpeg

    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for truth in TRUTHS:
        seeds = _SHOWN_GOOD if truth == "good" else _SHOWN_DEFECTS
        for number, seed in enumerate(seeds, 1):
            path = folder / f"{truth}-{number}.jpg"
            path.write_bytes(jpeg(seed, truth))
            drawn.append(KnownPicture(path, truth))
    return drawn
