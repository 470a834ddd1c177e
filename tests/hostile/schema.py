"""Schemathesis with all its checks against the OpenAPI document of a running server with keys."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from takt.security.caller import SCOPES
from takt.security.keys.key import new_key
from takt.security.keys.key_file import format_keys
from tests.hostile.bundle import MODEL, spotted_picture, write_bundle
from tests.hostile.report import Verdict, table
from tests.hostile.server import Server, started

PHASES = ("examples", "coverage", "fuzzing", "stateful")
MAX_EXAMPLES = 200
_ENDS_WITHIN_S = 3600
_RECORDED = 20


@dataclass(frozen=True, slots=True)
class Refused:
    """What the server may refuse although the document allows it.

    Attributes:
        operations: ids of the operations.
        statuses: with which it refuses, beside those that any request may get.
        reason: why the document cannot say so.
    """

    operations: tuple[str, ...]
    statuses: tuple[int, ...]
    reason: str


REFUSED = (
    Refused(
        ("inspect_picture", "inspect_picture_by_version", "inspect_view"),
        (400, 415, 422),
        "JSON Schema cannot say what a whole picture is, nor how many tags a text has",
    ),
    Refused(
        ("oip_infer", "oip_infer_by_version"),
        (400, 413, 415, 422),
        "nor how many bytes or numbers are a tensor of some shape, nor that a name comes once",
    ),
    Refused(
        ("judge_inspections", "withdraw_judgements", "mark_inspections_seen"),
        (422,),
        "nor which texts fit in a line, nor what the key's name is, which the reviewer's must be, "
        "nor that inspections are named in one of two ways, nor which box is within one picture",
    ),
    Refused(
        ("acknowledge_alarm", "snooze_alarm", "mark_line"),
        (422,),
        "nor, again, what the key's name is",
    ),
    Refused(
        ("get_confusion", "propose_threshold", "list_disagreements", "get_calendar"),
        (422,),
        "nor which texts are points in time, nor that a version is one of a model that is named",
    ),
    Refused(
        (
            *("list_inspections", "export_inspections", "list_tiles", "feed_inspections"),
            *("list_parts", "export_parts"),
        ),
        (422,),
        "nor which cursor a page gave, beside what those of the review cannot say of filters",
    ),
    Refused(
        ("list_audit_entries",),
        (422,),
        "nor that a file is of all entries, and not of a page",
    ),
    Refused(
        ("give_picture", "give_recorded_pictures"),
        (400, 415, 422),
        "nor, again, what a whole picture or a point in time is",
    ),
    Refused(
        ("create_learning",),
        (422,),
        "nor that only a bank can be updated or taught, and keeps its size",
    ),
    Refused(
        ("save_recipe",),
        (422,),
        "nor that the views of a recipe have different names, nor how many good pictures a model "
        "has to be calibrated with for each of them",
    ),
    Refused(
        ("report_station", "change_station_recipe"),
        (422,),
        "nor, again, what a point in time is, nor that 7.0 is no whole number, nor how long a "
        "whole report may be",
    ),
)
"""All that is let pass; whatever else Schemathesis finds is a fault."""

_ANYWAY = ("2XX", "3XX", "401", "403", "404", "409", "429", "504")

_NO_SERVER_ERROR = ("2XX", "3XX", "4XX", "504")

_LOADING = ("inspect_picture_by_version", "oip_infer_by_version")
"""Operations that may name a version which was just learned; a 503 says that it is loading."""

CONFIGURATION = f"""
# A request may allow itself a millionth of a millisecond, and then gets the 504 that it asked for.
[checks.not_a_server_error]
expected-statuses = {json.dumps(_NO_SERVER_ERROR)}
""" + "".join(
    f"""
# {refused.reason}
[[operations]]
include-operation-id = {json.dumps(operation)}
[operations.checks.positive_data_acceptance]
expected-statuses = {json.dumps([*_ANYWAY, *map(str, refused.statuses), *loading])}
[operations.checks.not_a_server_error]
expected-statuses = {json.dumps([*_NO_SERVER_ERROR, *loading])}
"""
    for refused in REFUSED
    for operation in refused.operations
    for loading in [["503"] if operation in _LOADING else []]
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of failure of one operation."""

    code: str
    title: str
    operation: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What Schemathesis found.

    Attributes:
        findings: of all operations.
        cases: number of requests.
        errors: what kept it from working.
        output: what it printed.
    """

    findings: list[Finding]
    cases: int
    errors: list[str]
    output: str


def _fill(server: Server, secret: str) -> None:
    """Have some pictures inspected, so that the record has what the document's examples name."""
    server.wait_ready()
    for _ in range(_RECORDED):
        request = urllib.request.Request(
            f"{server.url}/v1/models/{MODEL}/inspect",
            spotted_picture(),
            {"Authorization": f"Bearer {secret}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()


def check(phases: Sequence[str], max_examples: int, seed: int = 15) -> Checked:
    """Check a server on a fake engine.

    Args:
        phases: of Schemathesis.
        max_examples: of each operation, drawn at random.
        seed: of the draws.
    """
    with tempfile.TemporaryDirectory(prefix="takt-hostile-") as folder:
        root = Path(folder)
        for version in ("1", "2"):
            write_bundle(root / "models", version)
        arguments = (root / "models", root / "no-fault", root / "arrived", 0)
        program = ["-m", "tests.hostile.faulty_server", *arguments]
        key, secret = new_key("schemathesis", frozenset(SCOPES))
        environment = {
            "TAKT_KEYS": format_keys([key]).decode(),
            "TAKT_RECORD": "sqlite",
            "TAKT_DATA_FOLDER": str(root / "data"),
        }
        with started([sys.executable, *map(str, program)], environment=environment) as server:
            _fill(server, secret)
            report = root / "report.json"
            (root / "schemathesis.toml").write_text(CONFIGURATION)
            done = subprocess.run(
                [
                    sys.executable, "-m", "schemathesis.cli", "run",
                    f"{server.url}/openapi.json", "--checks=all", "--continue-on-failure",
                    f"--phases={','.join(phases)}", f"--max-examples={max_examples}",
                    f"--header=Authorization: Bearer {secret}", f"--seed={seed}",
                    "--generation-database=none", "--no-color",
                    "--report=json", f"--report-json-path={report}",
                ],
                cwd=root, capture_output=True, text=True, timeout=_ENDS_WITHIN_S, check=False,
            )  # fmt: skip
            output = done.stdout + done.stderr
            if not report.exists():
                raise SystemExit(f"schemathesis did not run:\n{output}")
            found = json.loads(report.read_text("utf-8"))
            errors = [json.dumps(error)[:300] for error in found["errors"]]
            if traced := server.tracebacks():
                errors.append(f"{traced} tracebacks in the server's log")
    return Checked(
        findings=[
            Finding(failure["code"], failure["title"], operation)
            for failure in found["failures"]
            for operation in failure["operations"]
        ],
        cases=found["test_cases"]["generated"],
        errors=errors,
        output=output,
    )


def run(max_examples: int, verbose: bool) -> None:
    """Check and print the findings; ends the process with 1 where bar 4 is missed."""
    checked = check(PHASES, max_examples)
    if verbose:
        print(checked.output)
    print(
        table(
            ("refused", "with", "since"),
            [(one.operations[0], one.statuses, one.reason) for one in REFUSED],
        )
    )
    rows = [(one.code, one.title, one.operation) for one in checked.findings]
    print(table(("code", "finding", "operation"), rows))
    verdict = Verdict(4)
    verdict.demand(not checked.findings, f"{len(checked.findings)} findings")
    verdict.demand(not checked.errors, "; ".join(checked.errors))
    verdict.end(f"{checked.cases} requests, {len(checked.findings)} findings")
