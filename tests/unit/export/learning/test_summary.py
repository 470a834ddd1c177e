from pathlib import Path

import pytest

from takt.core.bundles.findings import SelfTest
from takt_export.learning.place import Place
from takt_export.learning.running import Running
from takt_export.learning.summary import standing
from tests.tested import GRAVE, HARMLESS

URL = "http://127.0.0.1:8000"
FIRST = Place(Path("models"), "parts", "1", ())


def said(running: Running | None, tested: dict[str, object] | None) -> str:
    found = SelfTest.model_validate(tested) if tested else None
    return " ".join(" ".join(standing(FIRST, running, URL, found)).split())


@pytest.mark.parametrize("running", [None, Running("waiting", None)])
def test_a_first_version_with_a_grave_finding_is_said_to_wait_and_how_it_is_activated(
    running: Running | None,
) -> None:
    text = said(running, GRAVE)
    assert "no version of the model answers until one is activated" in text
    assert "says not to serve it (made_up_missed)" in text
    assert f"activate curl -s -X POST {URL}/v1/models/parts/versions/1/activate" in text


@pytest.mark.parametrize("tested", [None, HARMLESS])
def test_any_other_first_version_is_said_to_answer_once_it_is_served(
    tested: dict[str, object] | None,
) -> None:
    text = said(None, tested)
    assert "takt serve --repository models" in text
    assert "activate" not in text


def test_the_command_that_serves_it_can_be_copied_whatever_the_folder_is_called() -> None:
    spaced = Place(Path("line 3/models ü"), "parts", "1", ())
    (line,) = standing(spaced, None, URL)
    assert line.split(maxsplit=2)[2] == "takt serve --repository 'line 3/models ü'"
