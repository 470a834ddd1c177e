"""The recipes of docs/architecture.md, each done in a copy or with something made up."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from takt.core.bundles.bundle import Bundle

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

FIELD = {
    "service/takt/core/domain.py": [
        ("    typical_score: float | None = None\n", "    margin: float = 0.0\n"),
        ('        "anomalous": verdict.anomalous,\n', '        "margin": verdict.margin,\n'),
    ],
    "service/takt/core/pictures/postprocess.py": [
        ("        threshold=criteria.threshold,\n", "        margin=score - criteria.threshold,\n"),
    ],
    "service/takt/api/schemas.py": [
        (
            "    score: float\n    threshold: float\n",
            '    margin: float = Field(description="By how much it is over the threshold.")\n',
        ),
    ],
}
"""By file: after which line of it a new field of the answer needs another one."""

ASK = """
import asyncio, json, sys
import httpx
from pathlib import Path
from takt.app import create_app
from takt.core.engines.fake import FakeEngine
from takt.settings import Settings

async def main(repository, picture):
    settings = Settings(repository=repository, repository_poll_s=0, allowed_hosts="takt")
    app = create_app(settings, lambda _: FakeEngine())
    asking = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://takt")
    async with app.router.lifespan_context(app), asking as client:
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.01)
        answer = await client.post("/v1/models/parts/inspect", content=Path(picture).read_bytes())
        document = (await client.get("/openapi.json")).json()
    schema = document["components"]["schemas"]["InspectionOut"]["properties"].get("margin")
    print(json.dumps({"answer": answer.json(), "schema": schema}))

asyncio.run(main(*sys.argv[1:]))
"""


def recipe(question: str) -> str:
    """What the page answers to "Where do I add …?"."""
    found = re.search(rf"\*\*{re.escape(question)}\*\*(.*?)\n\n", ARCHITECTURE, re.DOTALL)
    assert found, question
    return found[1]


def test_a_field_of_the_answer_is_three_files(
    bundle: Bundle, repository: Path, picture_bytes, tmp_path: Path
) -> None:
    assert set(
        re.findall(r"`(service/[\w/]+\.py)`", recipe("Where do I add a field of the answer?"))
    ) == set(FIELD)
    copy = tmp_path / "copy"
    # With what Python has compiled of the files that stay as they are.
    shutil.copytree(ROOT / "service", copy / "service")
    for name, additions in FIELD.items():
        text = (copy / name).read_text("utf-8")
        for after, line in additions:
            assert text.count(after) == 1, f"{name} has moved on: {after!r}"
            text = text.replace(after, after + line)
        (copy / name).write_text(text, "utf-8")
    picture = tmp_path / "part.png"
    picture.write_bytes(picture_bytes(51))

    ran = subprocess.run(
        [sys.executable, "-c", ASK, str(repository), str(picture)],
        capture_output=True,
        text=True,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "service")},
    )

    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["answer"]["margin"] == told["answer"]["score"] - told["answer"]["threshold"]
    assert told["schema"]["description"] == "By how much it is over the threshold."
