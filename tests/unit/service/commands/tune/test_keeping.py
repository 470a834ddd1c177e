from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

import takt.commands.tune.keeping
from takt.commands.tune.keeping import check_writable, keep, profile_of
from takt.commands.tune.results import MeasuredCandidate
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.host_profile import read_profile
from takt.core.errors import ConfigurationError

MakeMeasured = Callable[..., MeasuredCandidate]


def read_only(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_profile_says_what_was_measured(make_measured: MakeMeasured) -> None:
    best = make_measured("openvino", 10.0, 20.0, instances=2, threads=3, latencies_ms=(7.0,))
    profile = profile_of(best, "this host", 50.0)
    assert (profile.host, profile.engine) == ("this host", "openvino")
    assert (profile.engine_instances, profile.engine_threads, profile.max_batch_size) == (2, 3, 1)
    assert (profile.images_per_s, profile.p99_ms, profile.target_ms) == (15.0, 7.0, 50.0)
    assert {"python", "takt", "numpy"} <= set(profile.tuned_with)


def test_what_is_kept_is_read_again_for_this_host_only(
    bundle: Bundle, make_measured: MakeMeasured
) -> None:
    profile = profile_of(make_measured("openvino", 10.0), "this host", None)
    keep(bundle.path, profile)
    assert read_profile(bundle.path, "this host") == profile
    assert read_profile(bundle.path, "that host") is None
    assert load_bundle(bundle.path).manifest == bundle.manifest


def test_a_folder_that_can_be_written_to_is_left_as_it_was(bundle: Bundle) -> None:
    before = sorted(bundle.path.iterdir())
    check_writable(bundle.path)
    assert sorted(bundle.path.iterdir()) == before


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    with pytest.raises(ConfigurationError, match=r"host\.json.*Permission denied.*--dry-run"):
        check_writable(tmp_path)


def test_a_profile_that_cannot_be_written_is_an_error_of_ours(
    tmp_path: Path, make_measured: MakeMeasured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takt.commands.tune.keeping, "write_profile", read_only)
    with pytest.raises(ConfigurationError, match="Permission denied"):
        keep(tmp_path, profile_of(make_measured("openvino", 10.0), "this host", None))
