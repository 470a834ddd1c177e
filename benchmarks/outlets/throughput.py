"""What outlets cost: a server with a broker and a webhook beside one with neither.

    python -m benchmarks.outlets.throughput REPOSITORY MODEL PICTURE.jpg --ends mqtt

Runs come in adjacent pairs, as those of `benchmarks.record.throughput`. `--ends` says what the
outlets have at their other ends: a broker (mqtt), a receiver of every verdict (webhook), or ports
where nobody listens (dead-mqtt, dead-webhook). It needs Debian's `wrk` and `mosquitto`.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from pathlib import Path

import click

from benchmarks.outlets.other_ends import broker, free_port, receiver, webhooks
from benchmarks.realtime.server import TaktServer
from benchmarks.record.throughput import Side, pairs_of, table_of, warm_up

LEAST_RATIO = 0.97
ENDS = ("mqtt", "webhook", "dead-mqtt", "dead-webhook")


@click.command()
@click.argument("repository", type=click.Path(exists=True, path_type=Path))
@click.argument("model")
@click.argument("picture", type=click.Path(exists=True, path_type=Path))
@click.option("--ends", multiple=True, type=click.Choice(ENDS), default=("mqtt",))
@click.option("--clients", default=8, show_default=True)
@click.option("--pairs", default=7, show_default=True)
@click.option("--seconds", default=4, show_default=True, help="Of a run.")
@click.option("--options", default="--engine-instances 2 --engine-threads 1", show_default=True)
def main(
    repository: Path,
    model: str,
    picture: Path,
    ends: tuple[str, ...],
    clients: int,
    pairs: int,
    seconds: int,
    options: str,
) -> None:
    """Print the ratio of throughput with outlets on and off."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        own: list[str] = ["--data-folder", str(folder / "data")]
        if "mqtt" in ends or "dead-mqtt" in ends:
            port = stack.enter_context(broker(folder)) if "mqtt" in ends else free_port()
            own += ["--mqtt-url", f"mqtt://127.0.0.1:{port}"]
        if "webhook" in ends or "dead-webhook" in ends:
            port = stack.enter_context(receiver()) if "webhook" in ends else free_port()
            own += ["--webhooks-file", str(webhooks(folder, port))]
            own += ["--webhooks-private-hosts", "127.0.0.1"]
        layout = (*options.split(), "--no-request-log")
        plain = stack.enter_context(TaktServer(repository, *layout))
        telling = stack.enter_context(TaktServer(repository, *layout, *own))
        off, on = (Side(one, model, picture, rejects=5) for one in (plain, telling))
        warm_up(off, on, clients)
        found = pairs_of(off, on, clients, pairs, seconds)
        for side in (off, on):
            side.resume()
    print(table_of(found))
    ratio = statistics.median(other.per_s / one.per_s for one, other in found)
    cpu = statistics.median(other.cpu_ms / one.cpu_ms for one, other in found)
    met = "met" if ratio >= LEAST_RATIO else "MISSED"
    print(
        f"{', '.join(ends)}; median of {pairs} pairs: throughput {ratio:.3f} (at least "
        f"{LEAST_RATIO}), processor time {cpu:.3f}: {met}"
    )


if __name__ == "__main__":
    main()
