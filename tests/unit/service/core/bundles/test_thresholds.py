import threading
from dataclasses import replace
from pathlib import Path

import pytest

from takt.core.bundles import thresholds as module
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.findings import AlphaPrice, Prices, SelfTest
from takt.core.bundles.manifest import Thresholds
from takt.core.bundles.thresholds import (
    OVERRIDES,
    DeployedThresholds,
    Overrides,
    ThresholdPair,
    in_force,
    keep_switch,
    read_overrides,
    remove_overrides,
)
from takt.core.errors import BundleError
from tests.conftest import MakeBundle


@pytest.fixture
def deployed(bundle: Bundle) -> DeployedThresholds:
    return DeployedThresholds(bundle, read_overrides(bundle.path))


def test_the_bundle_s_own_are_in_force_until_somebody_sets_others(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    assert deployed.in_force == ThresholdPair(image=0.5, pixel=0.5)
    origin = deployed.origin("image")
    assert (origin.source, origin.since) == ("bundle", bundle.manifest.created_at)


def test_a_change_adds_to_the_one_before_and_survives_a_restart(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    first = deployed.change(image=0.4, pixel=None, reason="new lamp")
    assert (first.before, first.after) == (ThresholdPair(0.5, 0.5), ThresholdPair(0.4, 0.5))
    assert (first.kinds, first.persisted) == (("image",), True)
    deployed.change(image=None, pixel=0.3, reason=None)

    again = DeployedThresholds(bundle, read_overrides(bundle.path))
    assert again.in_force == deployed.in_force == ThresholdPair(0.4, 0.3)
    assert (again.origin("image").source, again.origin("image").reason) == ("override", "new lamp")
    assert again.origin("pixel").reason is None
    assert load_bundle(bundle.path).manifest == bundle.manifest


def test_a_reset_gives_back_what_was_overridden(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    deployed.change(image=None, pixel=0.3, reason=None)
    done = deployed.reset()
    assert (done.before.pixel, done.after, done.kinds) == (0.3, ThresholdPair(0.5, 0.5), ("pixel",))
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


def test_a_change_adds_to_what_others_left_in_the_file(bundle: Bundle) -> None:
    one, other = (DeployedThresholds(bundle, read_overrides(bundle.path)) for _ in range(2))
    one.change(image=0.4, pixel=None, reason="the one")
    done = other.change(image=None, pixel=0.3, reason="the other")
    assert (done.before, done.after) == (ThresholdPair(0.5, 0.5), ThresholdPair(0.4, 0.3))
    assert done.kinds == ("image", "pixel")
    assert other.origin("image").reason == "the one"
    kept = read_overrides(bundle.path)
    assert kept.image is not None
    assert kept.pixel is not None


def test_a_change_does_not_bring_back_what_was_removed_from_disk(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    deployed.change(image=0.4, pixel=None, reason=None)
    remove_overrides(bundle.path)  # as `takt calibrate` does
    assert deployed.in_force == ThresholdPair(0.4, 0.5)
    assert deployed.change(image=None, pixel=0.3, reason=None).after == ThresholdPair(0.5, 0.3)
    assert read_overrides(bundle.path).image is None


def test_a_change_that_could_not_be_kept_is_added_to_from_memory(
    bundle: Bundle, deployed: DeployedThresholds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_atomically", read_only)
        deployed.change(image=0.4, pixel=None, reason=None)
    done = deployed.change(image=None, pixel=0.3, reason=None)
    assert (done.after, done.persisted) == (ThresholdPair(0.4, 0.3), True)
    assert DeployedThresholds(bundle, read_overrides(bundle.path)).in_force == done.after


def test_a_damaged_file_is_not_replaced_by_a_change_but_by_a_reset(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    deployed.change(image=0.4, pixel=None, reason=None)
    (bundle.path / OVERRIDES).write_text("{")
    with pytest.raises(BundleError, match="delete it to go back"):
        deployed.change(image=None, pixel=0.3, reason=None)
    assert deployed.in_force == ThresholdPair(0.4, 0.5)
    assert (bundle.path / OVERRIDES).read_text() == "{"
    assert deployed.reset().after == ThresholdPair(0.5, 0.5)
    assert deployed.change(image=None, pixel=0.3, reason=None).after == ThresholdPair(0.5, 0.3)


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
    assert deployed.in_force == ThresholdPair(0.4, 0.3)
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


def test_nothing_is_there_to_remove_on_a_read_only_file_system(
    bundle: Bundle, deployed: DeployedThresholds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", read_only)
        assert remove_overrides(bundle.path) is False
        assert deployed.reset().persisted is True
    deployed.change(image=0.4, pixel=None, reason=None)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", read_only)
        with pytest.raises(OSError, match="Read-only"):
            remove_overrides(bundle.path)


def test_a_picture_is_judged_by_all_means_until_the_switch_is_on(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    assert deployed.in_force.undecided is False
    done = deployed.change(image=None, pixel=None, undecided=True, reason="dirty lens")
    assert (done.before.undecided, done.after.undecided, done.kinds) == (False, True, ())
    again = DeployedThresholds(bundle, read_overrides(bundle.path))
    assert again.in_force == ThresholdPair(0.5, 0.5, undecided=True)
    assert again.overrides.undecided is not None
    assert again.overrides.undecided.reason == "dirty lens"


def test_a_version_that_leaves_pictures_undecided_does_so_until_somebody_switches_it_off(
    bundle: Bundle,
) -> None:
    own = bundle.manifest.thresholds.model_copy(update={"undecided": True})
    manifest = bundle.manifest.model_copy(update={"thresholds": own})
    bundle = replace(bundle, manifest=manifest)
    known = DeployedThresholds(bundle, Overrides())
    assert known.in_force.undecided is True
    known.change(image=None, pixel=None, undecided=False, reason="it stops the line")
    assert known.in_force.undecided is False
    assert in_force(bundle, read_overrides(bundle.path)).undecided is False


def test_the_switch_stays_where_thresholds_go_back_to_the_bundles_own(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    deployed.change(image=0.4, pixel=None, undecided=True, reason=None)
    assert deployed.reset().after == ThresholdPair(0.5, 0.5, undecided=True)
    deployed.change(image=0.4, pixel=None, reason=None)
    kept = read_overrides(bundle.path)
    assert keep_switch(bundle.path, kept) is True  # as `takt calibrate` does
    assert keep_switch(bundle.path, read_overrides(bundle.path)) is False
    assert DeployedThresholds(bundle, read_overrides(bundle.path)).in_force.undecided is True


def test_a_reset_keeps_the_switch_that_another_server_has_set(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    deployed.change(image=0.4, pixel=None, reason=None)
    other = DeployedThresholds(bundle, read_overrides(bundle.path))
    other.change(image=None, pixel=None, undecided=True, reason=None)
    assert deployed.reset().after == ThresholdPair(0.5, 0.5, undecided=True)
    assert read_overrides(bundle.path) == deployed.overrides


def test_a_switch_that_another_server_has_set_is_followed(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    other = DeployedThresholds(bundle, read_overrides(bundle.path))
    other.change(image=None, pixel=None, undecided=True, reason=None)
    change = deployed.follow()
    assert change is not None
    assert (change.kinds, deployed.in_force.undecided) == ((), True)
    assert deployed.follow() is None


def test_what_was_set_in_a_folder_that_is_moved_away_while_it_is_read_stays(
    bundle: Bundle, deployed: DeployedThresholds, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.change(image=0.4, pixel=None, reason=None)

    def read(folder: Path, *_: object, **options: bool) -> Overrides:
        folder.rename(folder.with_name("gone"))
        return read_overrides(folder, **options)

    monkeypatch.setattr("takt.core.bundles.thresholds.read_overrides", read)
    assert deployed.follow() is None
    assert deployed.in_force.image == 0.4


def test_the_switch_does_not_touch_what_the_thresholds_promise(
    make_bundle: MakeBundle,
) -> None:
    promised = Thresholds(image=0.5, pixel=0.5, method="by hand", alpha=0.01, good_count=40)
    deployed = DeployedThresholds(make_bundle(thresholds=promised), Overrides())
    deployed.change(image=None, pixel=None, undecided=True, reason=None)
    assert deployed.promised_rate == 0.01


def test_a_file_without_the_switch_is_one_that_an_older_service_reads(
    bundle: Bundle, deployed: DeployedThresholds
) -> None:
    deployed.change(image=0.4, pixel=None, reason=None)
    assert "undecided" not in (bundle.path / OVERRIDES).read_text()


def test_thresholds_of_a_priced_rate_promise_that_rate(bundle: Bundle) -> None:
    at = AlphaPrice(alpha=0.05, image=0.4, pixel=0.45, rejected=5, made_up=9, given=0)
    prices = Prices(alpha=0.01, good=100, made_up=9, given=0, at=(at,))
    tested = SelfTest(pictures=1, sizes=(), prices=prices, made_at="2026-01-01T00:00:00+00:00")
    own = bundle.manifest.thresholds.model_copy(update={"alpha": 0.01})
    manifest = bundle.manifest.model_copy(update={"self_test": tested, "thresholds": own})
    known = DeployedThresholds(replace(bundle, manifest=manifest), Overrides())
    assert known.promised_rate == 0.01
    known.change(image=0.4, pixel=0.45, reason="more defects")
    assert known.promised_rate == 0.05
    known.change(image=0.41, pixel=None, reason=None)
    assert known.promised_rate == 1.0
    known.reset()
    assert known.promised_rate == 0.01
