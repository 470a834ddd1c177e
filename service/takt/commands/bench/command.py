"""`takt bench`."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from takt.commands.access import access_options, refusal_in_words
from takt.commands.bench.arrivals import parse_arrivals
from takt.commands.bench.report import json_report, text_report
from takt.commands.bench.run import BenchOptions, Protocol, run_bench
from takt.core.distribution import install_hint
from takt.core.domain import PICTURE_SUFFIXES
from takt.core.errors import InvalidParameterError, TaktError
from takt.core.pictures.decode import decode
from takt.headings import HeadedCommand, under
from takt_client import RawPicture
from takt_client import TaktError as ClientError

_LONGEST_S = 24 * 3600
_MOST_REQUESTS = 100_000_000
_MOST_PIXELS = 200_000_000
_CLOSED = 8
_FORMATS = (".svg", ".png", ".pdf")


@click.command(cls=HeadedCommand)
@click.argument("url")
@under(
    "Requests",
    click.option(
        "--images",
        multiple=True,
        required=True,
        type=click.Path(exists=True, path_type=Path),
        help="Picture, or folder of pictures; can be given again. They are sent in turn.",
    ),
    click.option("--model", help="Name of the model; the server's first if left out."),
    click.option("--version", help="Version of the model; the active one if left out."),
    click.option(
        "--query",
        multiple=True,
        metavar="NAME=VALUE",
        help="Option of each request, such as heatmap=overlay; can be given again.",
    ),
    click.option(
        "--protocol",
        type=click.Choice(["rest", "stream"]),
        default="rest",
        show_default=True,
        help="A request for each picture, or frames over WebSockets.",
    ),
)
@under(
    "Closed loop",
    click.option(
        "--concurrency",
        metavar="INTEGER",
        type=click.IntRange(1, 10_000),
        help="Requests under way at any moment; of a stream, frames under way on each "
        f"connection.  [default: {_CLOSED}; of a stream, as many as the server grants]",
    ),
)
@under(
    "Open loop",
    click.option(
        "--rate",
        metavar="FLOAT",
        type=click.FloatRange(0, min_open=True),
        help="Requests per second, however slow the answers are.",
    ),
    click.option(
        "--arrivals",
        help="poisson (many callers), fixed (the beat of a line), or burst:16@200ms (16 at once, "
        "every 200 ms).  [default: poisson]",
    ),
    click.option("--seed", default=0, show_default=True, help="Of Poisson arrivals."),
)
@under(
    "Streams",
    click.option(
        "--policy",
        type=click.Choice(["all", "latest"]),
        default="all",
        show_default=True,
        help="Answer every frame, or the newest only.",
    ),
    click.option(
        "--connections",
        metavar="INTEGER",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        help="Number of streams.",
    ),
    click.option("--raw", is_flag=True, help="Send decoded pixels, as cameras do."),
)
@under(
    "Length of the run",
    click.option(
        "--duration",
        "duration_s",
        metavar="SECONDS",
        type=click.FloatRange(0, _LONGEST_S, min_open=True),
        default=10.0,
        show_default=True,
        help="Seconds that count.",
    ),
    click.option(
        "--warmup",
        "warmup_s",
        metavar="SECONDS",
        type=click.FloatRange(0, _LONGEST_S),
        default=2.0,
        show_default=True,
        help="Seconds before, that do not.",
    ),
    click.option(
        "--requests",
        metavar="INTEGER",
        type=click.IntRange(1, _MOST_REQUESTS),
        help="End after so many, those of the warm-up included; they count if it has them all.",
    ),
)
@under(
    "Time limits",
    click.option(
        "--timeout-ms",
        metavar="MILLISECONDS",
        type=click.FloatRange(0, 3_600_000, min_open=True),
        help="Told to the server, which answers 504 after it.",
    ),
    click.option(
        "--answer-timeout",
        "answer_timeout_s",
        metavar="SECONDS",
        type=click.FloatRange(0, _LONGEST_S, min_open=True),
        default=60.0,
        show_default=True,
        help="Seconds after which a request without --timeout-ms counts as unanswered.",
    ),
    click.option(
        "--deadline-ms",
        metavar="MILLISECONDS",
        type=click.FloatRange(0, min_open=True),
        help="Count the answers that come within this: the goodput.",
    ),
)
@under(
    "Figures",
    click.option("--verdicts", is_flag=True, help="Count the anomalous answers."),
    click.option(
        "--json",
        "json_path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="All figures, and what ended in each second.",
    ),
    click.option(
        "--plot",
        "plot_path",
        type=click.Path(path_type=Path, dir_okay=False),
        help="SVG, PNG or PDF: latency by percentile, and throughput over time.",
    ),
)
@access_options
def bench(
    url: str,
    images: tuple[Path, ...],
    query: tuple[str, ...],
    protocol: Protocol,
    concurrency: int | None,
    rate: float | None,
    arrivals: str | None,
    seed: int,
    policy: str,
    connections: int,
    raw: bool,
    json_path: Path | None,
    plot_path: Path | None,
    **others: Any,
) -> None:
    """Load a running server and tell throughput and latencies.

    Without --rate and --arrivals each of --concurrency callers waits for its answer before it sends
    again (closed loop). With them requests go out at their time whatever the server does, and their
    latency counts from that time (open loop). A refusal that cannot get better, such as an unknown
    model, ends it at once. Ends with 1 then, and if nothing was answered.
    """
    for option, path in (("--json", json_path), ("--plot", plot_path)):
        if path is not None:
            _check_place(path, option)
    if plot_path is not None:
        _check_plot(plot_path)
    is_open = rate is not None or arrivals is not None
    if protocol == "rest" and (raw or connections != 1 or policy != "all"):
        raise click.UsageError("--raw, --connections and --policy are of --protocol stream")
    if is_open and concurrency is not None and protocol == "rest":
        raise click.UsageError("--concurrency is of the closed loop, --rate of the open one")
    if protocol == "rest" and concurrency is None:
        concurrency = _CLOSED
    try:
        choices = _choices(query)
        options = BenchOptions(
            url=url,
            protocol=protocol,
            pictures=_pictures(images, raw=raw),
            query={**choices, "policy": policy} if protocol == "stream" else choices,
            concurrency=concurrency,
            arrivals=parse_arrivals(arrivals or "poisson", rate, seed) if is_open else None,
            connections=connections,
            # The options whose names are fields: access, bounds, timeouts and what is counted.
            **others,
        )
        result = run_bench(options, sys.stderr if sys.stderr.isatty() else None)
    except TaktError as error:
        raise click.ClickException(str(error)) from None
    except ClientError as error:
        raise click.ClickException(refusal_in_words(error)) from None
    click.echo(text_report(result.setup, result.figures))
    if json_path is not None:
        json_path.write_bytes(json_report(result.setup, result.figures))
    if plot_path is not None:
        from takt.commands.bench.plot import save_plot

        save_plot(plot_path, result.setup, result.figures, result.latency_ms)
    if result.refusal is not None:
        raise click.ClickException(refusal_in_words(result.refusal))
    if not result.figures.answered:
        sys.exit(1)


def _check_place(path: Path, option: str) -> None:
    """Checks that a file can be written, before a run whose figures would be lost."""
    folder = path.absolute().parent
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise click.BadParameter(
            f"{path} cannot be written; name a file in a folder that is there and may be written "
            "to",
            param_hint=option,
        )


def _check_plot(path: Path) -> None:
    """Checks the plot's format and library before the run."""
    if path.suffix not in _FORMATS:
        raise click.BadParameter(f"its name must end in {', '.join(_FORMATS)}", param_hint="--plot")
    if importlib.util.find_spec("matplotlib") is None:
        raise click.ClickException(f"--plot needs matplotlib; {install_hint('matplotlib')}")


def _choices(query: Sequence[str]) -> dict[str, str]:
    choices = {}
    for choice in query:
        name, equals, value = choice.partition("=")
        if not equals or not name:
            raise InvalidParameterError(f"--query {choice!r}; write it as heatmap=overlay")
        choices[name] = value
    return choices


def _pictures(given: Sequence[Path], *, raw: bool) -> dict[str, bytes | RawPicture]:
    """Pictures of these files and of these folders, by their paths.

    Raises:
        InvalidParameterError: there are none.
    """
    paths = [path for one in given for path in _files(one)]
    if not paths:
        names = ", ".join(str(path) for path in given)
        endings = ", ".join(PICTURE_SUFFIXES)
        raise InvalidParameterError(f"there are no pictures ({endings}) in {names}")
    pictures = {str(path): path.read_bytes() for path in paths}
    if raw:
        return {name: _decoded(picture) for name, picture in pictures.items()}
    return {**pictures}


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()
    )


def _decoded(picture: bytes) -> RawPicture:
    pixels = decode(picture, _MOST_PIXELS)
    height, width, _ = pixels.shape
    return RawPicture(pixels.tobytes(), width, height, "rgb8")
