"""`takt doctor`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import get_args

import click

from service.commands.doctor.examine import examine_host
from service.commands.doctor.facts import HostFacts
from service.commands.doctor.text import report
from service.commands.doctor.verdicts import EngineName, Verdict, judge


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
@click.option(
    "--require",
    "required",
    multiple=True,
    type=click.Choice(get_args(EngineName)),
    help="End with 1 if this engine cannot run here; can be given again.",
)
def doctor(as_json: bool, required: tuple[EngineName, ...]) -> None:
    """Tell which engines this host runs well, slowly or not, and what is missing for them.

    Runtimes and drivers are really loaded and run, each in a process of its own; what is missing
    or broken is told, and the doctor goes on. Ends with 0 unless a required engine cannot run.
    """
    host = examine_host()
    verdicts = judge(host)
    click.echo(_json(host, verdicts) if as_json else report(host, verdicts))
    refused = [one for one in verdicts if one.engine in required and one.state == "not"]
    for verdict in refused:
        remedies = "".join(f" -> {remedy}" for remedy in verdict.remedies)
        click.echo(f"{verdict.engine} cannot run here: {verdict.why}{remedies}", err=True)
    if refused:
        sys.exit(1)


def _json(host: HostFacts, verdicts: tuple[Verdict, ...]) -> str:
    engines = [asdict(verdict) for verdict in verdicts]
    return json.dumps({"host": asdict(host), "engines": engines}, indent=2, ensure_ascii=False)
