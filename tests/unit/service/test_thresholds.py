import threading
from pathlib import Path

import pytest

from service import thresholds as module
from service.bundle import Bundle, load_bundle
from service.errors import BundleError
from service.thresholds import (
    OVERRIDES,
    DeployedThresholds,
    InForce,
    Overrides,
    read_overrides,
    remove_overrides,
)


@pytest.fixture
def deployed(bundle: Bundle) -> DeployedThresholds:
    return DeployedThresholds(bundle, read_overrides(bundle.path))


def test_the_bundle_s_own_are_in_force_until_somebody_sets_others(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    assert deployed.in_force == InForce(image=0.5, pixel=0.5)
    origin = deployed.origin("image")
    assert (origin.source, origin.since) == ("bundle", bundle.manifest.created_at)


def test_a_change_adds_to_the_one_before_and_survives_a_restart(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    first = deployed.change(image=0.4, pixel=None, reason="new lamp")
    assert (first.before, first.after) == (InForce(0.5, 0.5), InForce(0.4, 0.5))
    assert (first.kinds, first.persisted) == (("image",), True)
    deployed.change(image=None, pixel=0.3, reason=None)

    again = DeployedThresholds(bundle, read_overrides(bundle.path))
    assert again.in_force == deployed.in_force == InForce(0.4, 0.3)
    assert (again.origin("image").source, again.origin("image").reason) == ("override", "new lamp")
    assert again.origin("pixel").reason is None
    assert load_bundle(bundle.path).manifest == bundle.manifest


def test_a_reset_gives_back_what_was_overridden(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    deployed.change(image=None, pixel=0.3, reason=None)
    done = deployed.reset()
    assert (done.before.pixel, done.after, done.kinds) == (0.3, InForce(0.5, 0.5), ("pixel",))
    assert deployed.origin("pixel").source == "bundle"
    assert not (bundle.path / OVERRIDES).exists()
    nothing = deployed.reset()
    assert (nothing.kinds, nothing.persisted) == ((), True)


def test_a_folder_that_cannot_be_written_keeps_the_change_in_memory_and_says_so(
    deployed: DeployedThresholds, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(module, "write_atomically", read_only)
    monkeypatch.setattr(module, "remove_overrides", read_only)
    done = deployed.change(image=0.4, pixel=None, reason=None)
    assert (done.persisted, deployed.in_force.image) == (False, 0.4)
    assert "until the next start only" in caplog.text
    assert "Read-only file system" in caplog.text
    done = deployed.reset()
    assert (done.persisted, deployed.in_force.image) == (False, 0.5)


def test_two_changes_at_once_do_not_undo_each_other(
    bundle: Bundle, deployed: DeployedThresholds, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = module.write_atomically
    other = threading.Thread(
        target=lambda: deployed.change(image=None, pixel=0.3, reason="the other")
    )

    def write_while_the_other_comes(path: Path, data: bytes) -> None:
        if other.ident is None:
            other.start()
            other.join(0.1)  # it could end only if nothing held it back
        write(path, data)

    monkeypatch.setattr(module, "write_atomically", write_while_the_other_comes)
    deployed.change(image=0.4, pixel=None, reason="the one")
    other.join(10)
    assert deployed.in_force == InForce(0.4, 0.3)
    kept = read_overrides(bundle.path)
    assert kept.image is not None
    assert kept.pixel is not None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "the file: Invalid JSON"),
        ('{"format_version": 2}', "format_version"),
        ('{"image": {"value": NaN, "set_at": "now"}}', r"image\.value|Invalid JSON"),
        ('{"image": 0.4}', "image"),
    ],
)
def test_overrides_that_cannot_be_understood_are_refused_and_not_passed_over(
    bundle: Bundle, content: str, complaint: str
) -> None:
    (bundle.path / OVERRIDES).write_text(content)
    with pytest.raises(BundleError, match=rf"{complaint}.*delete it to go back"):
        read_overrides(bundle.path)


def test_overrides_that_cannot_be_read_are_refused(bundle: Bundle) -> None:
    (bundle.path / OVERRIDES).mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        read_overrides(bundle.path)


def test_removing_tells_whether_there_were_any(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    assert remove_overrides(bundle.path) is False
    deployed.change(image=0.4, pixel=None, reason=None)
    assert remove_overrides(bundle.path) is True
    assert read_overrides(bundle.path) == Overrides()
