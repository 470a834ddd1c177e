"""`takt tune`."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import click

from takt.commands.errors import plain_errors
from takt.commands.tune.advice import advice, has_openvino
from takt.commands.tune.candidates import candidates_of, reference_of
from takt.commands.tune.choice import choose, why_none
from takt.commands.tune.keeping import check_writable, keep, profile_of
from takt.commands.tune.report import json_report, table
from takt.commands.tune.results import TuneResults
from takt.commands.tune.run import TuneOptions, openers, tune
from takt.configuration import load_settings
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.host_profile import PROFILES, read_profile
from takt.core.errors import ConfigurationError
from takt.core.host import host_name
from takt.mirroring.option import HostFolder
from takt.repository.context import batcher_options

_LONGEST_S = 3600
_MOST_ROUNDS = 100
_LARGEST_BATCH = 256


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _sizes(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= _LARGEST_BATCH for part in parts):
        raise click.BadParameter(f"{text} are no batch sizes; 1,2,4 are, up to {_LARGEST_BATCH}")
    return tuple(int(part) for part in parts)


@click.command("tune")
@click.argument("bundle", type=HostFolder(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--p99-ms",
    "target_ms",
    type=click.FloatRange(0, min_open=True),
    help="Choose only what answers 99 of 100 pictures within this, in the engine, while as many "
    "run as may.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, _LONGEST_S, min_open=True),
    default=3.0,
    show_default=True,
    help="For each candidate, in all its rounds together; longer where an engine is so slow that "
    "hardly a picture was answered.",
)
@click.option(
    "--rounds",
    type=click.IntRange(2, _MOST_ROUNDS),
    default=2,
    show_default=True,
    help="In which the candidates take turns; those that are far behind leave after the first.",
)
@click.option(
    "--engines",
    metavar="A,B",
    type=_names,
    default="",
    show_default="all that this host has",
    help="Only these, with commas: onnxruntime, openvino, cuda, tensorrt, names of variants.",
)
@click.option(
    "--batch-sizes",
    metavar="1,2,4",
    type=_sizes,
    show_default="1 on a CPU, 1,2,4,8,16 on a GPU",
    help="Largest batches to try, with commas.",
)
@click.option("--dry-run", is_flag=True, help="Measure and choose, but write nothing.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write all figures here.",
)
@plain_errors
def tune_command(
    bundle: Path,
    target_ms: float | None,
    seconds: float,
    rounds: int,
    engines: tuple[str, ...],
    batch_sizes: tuple[int, ...] | None,
    dry_run: bool,
    json_path: Path | None,
) -> None:
    """Find the fastest way to run BUNDLE on this host, and have `takt serve` take it.

    Every engine that is installed, and every variant of the bundle, runs on the bundle's golden
    inputs in several layouts: one instance with all cores, one on each core, and between. What
    answers unlike the trained model is left out. The best is kept in host.json in the bundle, for
    this kind of host; `takt serve` uses it unless settings say otherwise. GPU, cache and batching
    are as the TAKT_... settings say. Ends with 1 if nothing can be chosen.
    """
    base = load_settings()
    loaded = load_bundle(bundle)
    host = host_name(base.cores)
    # The engines' opener reads it too: better one error now than one for each candidate.
    read_profile(bundle, host)
    if not dry_run:
        check_writable(bundle)
    candidates = candidates_of(
        loaded, base, cores=base.cores, engines=engines, batch_sizes=batch_sizes or ()
    )
    click.echo(f"host: {host}")
    with tempfile.TemporaryDirectory(prefix="takt-tune-") as cache:
        results = tune(
            loaded,
            candidates,
            reference_of(base.cores),
            TuneOptions(seconds, rounds, target_ms, batcher_options(base)),
            openers(base, Path(cache)),
            # Progress is no part of the result.
            partial(click.echo, err=True),
        )
    _conclude(loaded, host, results, target_ms, json_path, dry_run=dry_run)


def _conclude(
    bundle: Bundle,
    host: str,
    results: TuneResults,
    target_ms: float | None,
    json_path: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Prints the results and keeps the best candidate.

    Raises:
        ConfigurationError: no candidate can be chosen, or the profile cannot be written.
    """
    choice = choose(results.measured, target_ms)
    profile = profile_of(choice.best, host, target_ms) if choice else None
    hints = tuple(advice(bundle, results, openvino=has_openvino()))
    click.echo(table(results, target_ms, choice))
    if choice is not None:
        click.echo(f"\nchosen: {choice.best.candidate}: {choice.why}")
    for hint in hints:
        click.echo(f"to do better: {hint}")
    if profile is not None and not dry_run:
        keep(bundle.path, profile)
        click.echo(f"kept in {bundle.path / PROFILES}; `takt serve` takes it on hosts like this")
    if json_path is not None:
        report = json_report(results, profile, hints, written=not dry_run and profile is not None)
        _write(json_path, report)
    if choice is None:
        raise why_none(results.measured, target_ms)


def _write(path: Path, report: bytes) -> None:
    try:
        path.write_bytes(report)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
