from pathlib import Path

import pytest

from takt.learning.obstacles import obstacles


def test_a_server_with_the_exporter_and_its_folders_has_none(tmp_path: Path) -> None:
    assert obstacles(tmp_path, tmp_path / "not" / "yet") == ()


def test_what_is_missing_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    (found,) = obstacles(tmp_path, tmp_path, modules=("torch_of_nobody", "json"))
    assert found.code == "exporter_missing"
    assert "(torch_of_nobody)" in found.detail
    assert "pip install " in found.detail


def test_folders_that_may_not_be_written_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, _: path == tmp_path / "open")
    (tmp_path / "open").mkdir()
    (tmp_path / "shut").mkdir()
    (one,) = obstacles(tmp_path / "shut", tmp_path / "open")
    assert (one.code, str(tmp_path / "shut") in one.detail) == ("repository_read_only", True)
    (other,) = obstacles(tmp_path / "open", tmp_path / "shut" / "data")
    assert other.code == "data_folder_read_only"
