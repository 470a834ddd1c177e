"""The outlets that the setting names are opened with what is theirs, and all close at once."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from takt.core.errors import ConfigurationError
from takt.core.plugins import OUTLETS, PARTS
from takt.observing.records import AnswerRecord, Asked
from takt.outlets.opening import Surroundings, close_outlets, open_outlets
from takt.outlets.settings import OutletSettings
from tests.conftest import InstallPlugins

KEEPS_CONTEXTS = """
from takt.outlets.plugin import Sender
contexts = []
def outlet(context):
    contexts.append(context)
    return Sender(print)
"""


def opened(
    install_plugins: InstallPlugins, tmp_path: Path, text: str, *names: str
) -> CollectorRegistry:
    """Opens the named outlets, all of one module with this text."""
    groups = {OUTLETS: dict.fromkeys(names, "made_up_opened:outlet"), PARTS: {"audit": "nowhere:p"}}
    install_plugins(groups, {"made_up_opened": text})
    registry = CollectorRegistry()
    surroundings = Surroundings(tmp_path / "data", registry, worker=2)
    outlets = open_outlets([*names, "audit"], OutletSettings(), surroundings)
    assert len(outlets) == len(names)
    return registry


def test_without_outlets_nothing_is_opened_and_no_metric_is_shown(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    surroundings = Surroundings(tmp_path, registry, worker=0)
    assert open_outlets([], OutletSettings(), surroundings) == []
    assert list(registry.collect()) == []


def test_each_is_told_its_own_options_folder_and_worker(
    monkeypatch: pytest.MonkeyPatch, install_plugins: InstallPlugins, tmp_path: Path
) -> None:
    monkeypatch.setenv("TAKT_PLUGIN_LINE_3_FILE", "/var/rejects")
    monkeypatch.setenv("TAKT_PLUGIN_ARCHIVE_URL", "s3://bucket")
    registry = opened(install_plugins, tmp_path, KEEPS_CONTEXTS, "line-3", "archive")

    one, other = sys.modules["made_up_opened"].contexts
    assert (one.name, one.options, one.worker) == ("line-3", {"file": "/var/rejects"}, 2)
    assert (other.name, other.options) == ("archive", {"url": "s3://bucket"})
    assert one.folder == tmp_path / "data" / "outlets" / "line-3"
    assert not one.folder.exists()
    labels = {"outlet": "line-3", "outcome": "sent"}
    assert registry.get_sample_value("takt_outlet_answers_total", labels) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def outlet(context): return context.options['file']", "KeyError: 'file'"),
        (
            "def outlet(context): return print",
            "gives builtin_function_or_method, no Sender or Delivery",
        ),
        ("outlet = 5", "made_up_opened:outlet is no function"),
        ("def outlet(): pass", "takes 0 positional arguments"),
        ("def outlet(context): raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_one_that_cannot_be_opened_is_refused_by_name_and_reason(
    install_plugins: InstallPlugins, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        opened(install_plugins, tmp_path, text, "rejects")
    told = str(refused.value)
    assert "plugin rejects (outlet, takt-made-up 1.2.3) cannot be opened" in told
    assert said in told


DELIVERS = """
from takt.outlets.plugin import Delivery
def outlet(context):
    return Delivery(lambda answer, asked: {}, print)
"""


def test_one_that_delivers_has_its_messages_kept_in_its_folder(
    install_plugins: InstallPlugins, tmp_path: Path
) -> None:
    registry = opened(install_plugins, tmp_path, DELIVERS, "slack")
    assert registry.get_sample_value("takt_outlet_kept_messages", {"outlet": "slack"}) == 0
    assert [file.suffix for file in (tmp_path / "data" / "outlets" / "slack").glob("*.sqlite")]


class Meeting:
    """An outlet whose end waits for those of the others."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self._barrier = barrier
        self.timeout_s: float | None = None

    def start(self) -> None:
        """Nothing to do."""

    def note(self, answer: AnswerRecord, asked: Asked) -> None:
        """Nothing to do."""

    def close(self, timeout_s: float) -> None:
        self._barrier.wait(timeout=60)
        self.timeout_s = timeout_s


class Failing(Meeting):
    def close(self, timeout_s: float) -> None:
        super().close(timeout_s)
        raise OSError("no space left")


def test_all_close_at_once_and_one_that_fails_harms_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    barrier = threading.Barrier(9)
    outlets = [Failing(barrier), *(Meeting(barrier) for _ in range(8))]
    close_outlets(outlets, 2.5)
    assert {one.timeout_s for one in outlets} == {2.5}
    assert "an outlet has not ended well: no space left" in caplog.text
    close_outlets([], 2.5)
