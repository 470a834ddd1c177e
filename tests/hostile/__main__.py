"""The commands that give the figures: `python -m tests.hostile COMMAND`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from takt.security.keys.key_file import format_keys
from tests.hostile import (
    attacks,
    certificates,
    faults,
    killing,
    malformed,
    mixed_kills,
    rotation,
    schema,
    soak,
)
from tests.hostile.bundle import MODEL, spotted_picture, write_bundle
from tests.hostile.features import running as features
from tests.hostile.server import MAX_MEMORY_MB, serve_command, started, tiny_server


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """What hostile and broken senders do to a server, measured on this machine."""


@main.command("malformed")
@click.option("--count", default=100_000, help="Number of malformed inputs.")
@click.option("--seed", default=15, help="They are drawn from it.")
@click.option("--rounds", default=malformed.BOMB_ROUNDS, help="How often each bomb comes.")
@click.option("--only", multiple=True, type=click.Choice(list(malformed.SHARES)), help="Kinds.")
@click.option("--log", type=click.Path(path_type=Path), help="File for the server's log.")
def malformed_command(
    count: int, seed: int, rounds: int, only: tuple[str, ...], log: Path | None
) -> None:
    """Bar 1: malformed inputs over REST, streams and the Open Inference Protocol."""
    with tiny_server(log=log) as server:
        malformed.run(
            server, count, seed=seed, max_memory_mib=MAX_MEMORY_MB, rounds=rounds, only=only
        )


@main.command("attacks")
@click.option("--seconds", default=60.0, help="Length of each attack.")
@click.option("--only", multiple=True, type=click.Choice(list(attacks.ATTACKS)), help="Names.")
@click.option(
    "--pace-ms", default=0.0, help="A good client's time from request to request; 0: none."
)
def attacks_command(seconds: float, only: tuple[str, ...], pace_ms: float) -> None:
    """Bar 2: attacks beside 16 good clients."""
    attacks.run(list(only or attacks.ATTACKS), seconds, pace_ms)


@main.command("certificates")
@click.option("--count", default=20_000, help="Number of requests.")
def certificates_command(count: int) -> None:
    """Certificates and an issuer's keys are exchanged under load."""
    certificates.run(count)


@main.command("faults")
@click.option("--only", multiple=True, type=click.Choice(list(faults.FAULTS)), help="Names.")
def faults_command(only: tuple[str, ...]) -> None:
    """Bar 3: faults in and around a server, and its way back."""
    faults.run(list(only or faults.FAULTS))


@main.command("kills")
@click.option("--count", default=50, help="Number of kills.")
def kills_command(count: int) -> None:
    """Kills a server that records under load, and looks at what is left."""
    with tempfile.TemporaryDirectory(prefix="takt-kills-") as folder:
        lives = killing.run(count, Path(folder))
    click.echo(killing.report(lives))
    killing.judge(lives).end(f"{count} kills")


@main.command("mixed-kills")
@click.option("--minutes", default=10.0, help="Length of the run.")
@click.option("--every-s", default=20.0, help="Time under load before each kill.")
@click.option("--first", is_flag=True, help="Have answers wait for the record.")
def mixed_kills_command(minutes: float, every_s: float, first: bool) -> None:
    """Kills a server under mixed load, and holds its record against what was answered."""
    count = max(1, round(minutes * 60 / every_s))
    with tempfile.TemporaryDirectory(prefix="takt-kills-") as folder:
        lives = mixed_kills.run(count, every_s, Path(folder), first=first)
    click.echo(mixed_kills.report(lives))
    mixed_kills.judge_mixed(lives, first=first).end(f"{count} kills")


@main.command("features")
@click.option("--share", default=1.0, help="Part of the inputs of a whole run.")
@click.option("--seed", default=15, help="They are drawn from it.")
@click.option("--only", multiple=True, type=click.Choice(list(features.KINDS)), help="Kinds.")
def features_command(share: float, seed: int, only: tuple[str, ...]) -> None:
    """Malformed inputs of parts, recipes, stations, outlets and backups."""
    features.run(only, share, seed)


@main.command("keys")
@click.option("--requests", default=20_000, help="Fewest requests.")
def keys_command(requests: int) -> None:
    """Keys are exchanged under load; a revoked one is refused, and its stream ends."""
    with tempfile.TemporaryDirectory(prefix="takt-keys-") as folder:
        write_bundle(Path(folder) / "models")
        (file := Path(folder) / "keys.toml").write_bytes(format_keys(()))
        options = ("--keys-file", str(file), "--log-level", "debug")
        with started(serve_command(Path(folder) / "models", *options)) as server:
            rotation.run(server, file, MODEL, spotted_picture(), requests)


@main.command("schema")
@click.option("--max-examples", default=schema.MAX_EXAMPLES, help="Of each operation.")
@click.option("--verbose", is_flag=True, help="Print all that Schemathesis says.")
def schema_command(max_examples: int, verbose: bool) -> None:
    """Bar 4: Schemathesis with all checks."""
    schema.run(max_examples, verbose)


@main.command("soak")
@click.option("--minutes", default=30.0, help="Length of the run.")
@click.option("--share", default=0.6, help="Part of the capacity, which is measured first.")
def soak_command(minutes: float, share: float) -> None:
    """Bar 6: a long run with streams that come and go."""
    soak.run(minutes, share)


if __name__ == "__main__":
    main()
