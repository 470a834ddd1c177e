"""Schemathesis with all its checks against the OpenAPI document of a running server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.bundle import write_bundle
from tests.hostile.report import Verdict, table
from tests.hostile.server import started

CONFIGURATION = """
# A request may allow itself a millionth of a millisecond, and then gets the 504 that it asked for.
[checks.not_a_server_error]
expected-statuses = ["2XX", "3XX", "4XX", "504"]
"""
PHASES = ("examples", "coverage", "fuzzing", "stateful")
MAX_EXAMPLES = 200
_ENDS_WITHIN_S = 3600


@dataclass(frozen=True, slots=True)
class Named:
    """A finding that stays.

    Attributes:
        code: of Schemathesis.
        operations: pattern of the operations that have it.
        reason: why it stays.
    """

    code: str
    operations: str
    reason: str


NAMED = (
    Named(
        "ST202",
        r"POST /v1/models/.*/inspect",
        "JSON Schema cannot say what a whole picture is; other bytes get 400 or 415",
    ),
    Named(
        "ST202",
        r"POST /v2/models/.*/infer",
        "the document leaves the body to the protocol's specification; a wrong one gets 4XX",
    ),
)
"""What Schemathesis reports and what is meant so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of failure of one operation, with the reason why it stays, if it does."""

    code: str
    title: str
    operation: str

    @property
    def reason(self) -> str | None:
        """Why it stays; None if it must not."""
        for named in NAMED:
            if named.code == self.code and re.fullmatch(named.operations, self.operation):
                return named.reason
        return None


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

    @property
    def open(self) -> list[Finding]:
        """The findings without a reason."""
        return [finding for finding in self.findings if finding.reason is None]


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
        with started([sys.executable, *map(str, program)]) as server:
            report = root / "report.json"
            (root / "schemathesis.toml").write_text(CONFIGURATION)
            done = subprocess.run(
                [
                    sys.executable, "-m", "schemathesis.cli", "run",
                    f"{server.url}/openapi.json", "--checks=all", "--continue-on-failure",
                    f"--phases={','.join(phases)}", f"--max-examples={max_examples}",
                    f"--seed={seed}", "--generation-database=none", "--no-color",
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
    rows = [(one.code, one.title, one.operation, one.reason or "OPEN") for one in checked.findings]
    print(table(("code", "finding", "operation", "reason"), rows))
    verdict = Verdict(4)
    verdict.demand(not checked.open, f"{len(checked.open)} findings without a reason")
    verdict.demand(not checked.errors, "; ".join(checked.errors))
    verdict.end(
        f"{checked.cases} requests, {len(checked.findings)} findings, "
        f"{len(checked.findings) - len(checked.open)} of them named with a reason"
    )
