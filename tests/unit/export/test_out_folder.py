from pathlib import Path

import pytest

from takt.core.errors import BundleError
from takt_export.out_folder import check_folder


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's folder, which is no repository although its name could be a model's."""
    home = tmp_path / "user1"
    (home / "bundles" / "bolt" / "2").mkdir(parents=True)
    (home / "bundles" / "bolt" / "old").mkdir()
    monkeypatch.chdir(home)


@pytest.mark.parametrize(
    ("out", "meant"),
    [
        ("b", "bundles/b/1"),
        ("bolt", "bundles/bolt/3"),
        ("bundles/part", "bundles/part/1"),
        ("bundles/bolt", "bundles/bolt/3"),
        ("bundles/part/final", "bundles/part/1"),
        ("bundles/bolt/new", "bundles/bolt/3"),
        ("bundles/part/v2", "bundles/part/2"),
        ("bundles/bolt/v2", "bundles/bolt/3"),
        ("../models/part", "../models/1"),
        ("my part", "bundles/NAME/1"),
    ],
)
def test_a_folder_that_is_no_version_is_refused_with_the_one_that_is_meant(
    out: str, meant: str
) -> None:
    with pytest.raises(BundleError) as refused:
        check_folder(Path(out))
    told = str(refused.value)
    assert (
        f"no version of a model: give --out as REPOSITORY/NAME/VERSION, such as --out {meant};"
        in (told)
    )
    assert "a number such as 1, or a semantic version such as 2.0.0" in told


def test_an_absolute_folder_is_taken_for_the_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=f"--out {tmp_path}/models/part/1;"):
        check_folder(tmp_path / "models" / "part")


def test_a_parent_that_is_no_models_name_is_refused() -> None:
    with pytest.raises(BundleError, match="'my part' is no name of a model"):
        check_folder(Path("bundles/my part/1"))


def test_a_version_that_exists_is_refused_with_the_next_one() -> None:
    with pytest.raises(BundleError, match=r"never changed.* --out bundles/bolt/3"):
        check_folder(Path("bundles/bolt/2"))


@pytest.mark.parametrize("version", ["1", "2.0.0", "2.0.0-rc.1", "1.4.0+cam2"])
def test_a_version_of_a_model_is_taken(version: str) -> None:
    assert check_folder(Path("bundles/part") / version) == Path.cwd() / "bundles" / "part" / version
