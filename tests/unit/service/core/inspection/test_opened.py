"""A bundle is opened and asked without a server."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from takt.core.bundles.bundle import Bundle
from takt.core.domain import InspectOptions, RawPicture
from takt.core.engines.options import EngineOptions
from takt.core.errors import ConfigurationError, DriftError, NotReadyError
from takt.core.inspection.opened import LIMITS, opened
from takt.core.inspection.pipeline import Pipeline
from takt.settings import Settings
from tests.conftest import MakeBundle

ROOT = Path(__file__).parents[5]
PAGE = ROOT / "docs" / "embedding.md"
SERVERS = ("fastapi", "starlette", "uvicorn", "prometheus_client", "pydantic_settings", "click")
OPTIONS = InspectOptions(timeout_s=30.0)


async def grey() -> RawPicture:
    return RawPicture(bytes([51]) * 64 * 48, width=64, height=48, format="mono8")


def test_the_page_s_program_inspects_pictures_and_loads_no_server() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    lines = [line for line in program.splitlines() if line]
    loaded = f"import sys\nprint(sorted(set(sys.modules) & set({SERVERS!r})))"

    ran = subprocess.run(
        [sys.executable, "-c", f"{program}\n{loaded}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    *pictures, servers = ran.stdout.splitlines()
    assert len(lines) <= 15
    assert len(pictures) == 6
    assert all(re.fullmatch(r"\S+\.jpg (reject|pass) -?\d+\.\d+", line) for line in pictures)
    assert servers == "[]"


async def test_many_pictures_at_once_are_answered_and_the_end_waits_for_them(
    bundle: Bundle,
) -> None:
    async with opened(bundle.path) as model:
        asked = [asyncio.create_task(model.inspect(grey, OPTIONS)) for _ in range(8)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)

    scores = [one.result().verdict.score for one in asked]
    assert scores == pytest.approx([0.2] * 8)


async def test_nothing_is_answered_after_the_end(bundle: Bundle) -> None:
    model: Pipeline
    async with opened(bundle.path) as model:
        pass

    with pytest.raises(NotReadyError):
        await model.inspect(grey, OPTIONS)


async def test_an_engine_that_there_is_not_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ConfigurationError, match="openvino-int4"):
        async with opened(bundle.path, EngineOptions(engine="openvino-int4")):
            pass


async def test_a_graph_that_answers_unlike_the_trained_model_is_refused(
    make_bundle: MakeBundle,
) -> None:
    drifting = make_bundle(scale=0.9)

    with pytest.raises(DriftError):
        async with opened(drifting.path):
            pass


def test_its_bounds_are_those_of_a_server() -> None:
    usual = Settings()

    assert (LIMITS.max_image_pixels, LIMITS.max_regions) == (
        usual.max_image_pixels,
        usual.max_regions,
    )
