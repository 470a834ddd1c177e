import json
from pathlib import Path

import pytest

from takt.core.errors import ConfigurationError
from takt.repository.activation import ACTIVE, Activation, keep_activation, read_activation


def test_a_decision_is_read_as_it_was_kept(tmp_path: Path) -> None:
    decision = Activation.now("2", "1", "new lamp")
    assert keep_activation(tmp_path, decision)
    assert read_activation(tmp_path) == decision


def test_where_nobody_has_decided_there_is_nothing(tmp_path: Path) -> None:
    assert read_activation(tmp_path) is None


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path, caplog) -> None:
    assert not keep_activation(tmp_path / "gone", Activation.now("2", "1", None))
    assert "until the next start only" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "{", "[]", json.dumps({"active": "1"}), json.dumps({"format_version": 2})]
)
def test_a_file_that_cannot_be_understood_is_not_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / ACTIVE).write_text(text)
    with pytest.raises(ConfigurationError, match=r"active\.json: .*; correct it, or delete it"):
        read_activation(tmp_path)


@pytest.mark.parametrize("version", ["", ".", "..", "../../other/1", "/etc", ".hidden", "a/b"])
def test_a_decision_names_a_version_of_its_own_model(tmp_path: Path, version: str) -> None:
    decision = {"active": version, "activated_at": "2026-01-01T00:00:00+00:00"}
    (tmp_path / ACTIVE).write_text(json.dumps(decision))
    with pytest.raises(ConfigurationError, match=r"active: .*; correct it, or delete it"):
        read_activation(tmp_path)
