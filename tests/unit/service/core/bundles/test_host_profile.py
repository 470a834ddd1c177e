from __future__ import annotations

import threading
from pathlib import Path

import pytest

from takt.core.bundles import host_profile
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.files import write_atomically
from takt.core.bundles.host_profile import PROFILES, HostProfile, read_profile, write_profile
from takt.core.errors import BundleError


def profile_of(host: str = "here", engine: str = "openvino-int8") -> HostProfile:
    return HostProfile(
        host=host,
        engine=engine,
        engine_instances=2,
        engine_threads=1,
        max_batch_size=1,
        images_per_s=30.0,
        p99_ms=40.0,
        target_ms=None,
        tuned_with={"tests": "0"},
        tuned_at="2026-01-01T00:00:00+00:00",
    )


def test_what_was_found_on_a_host_is_read_there_and_nowhere_else(tmp_path: Path) -> None:
    write_profile(tmp_path, profile_of("here"))
    write_profile(tmp_path, profile_of("there", "onnxruntime"))
    assert read_profile(tmp_path, "here") == profile_of("here")
    assert read_profile(tmp_path, "there") == profile_of("there", "onnxruntime")
    assert read_profile(tmp_path, "elsewhere") is None


def test_what_is_found_later_takes_the_place_of_the_former(tmp_path: Path) -> None:
    write_profile(tmp_path, profile_of(engine="onnxruntime"))
    write_profile(tmp_path, profile_of(engine="openvino-bf16"))
    found = read_profile(tmp_path, "here")
    assert found is not None
    assert found.engine == "openvino-bf16"


def test_what_two_hosts_find_at_the_same_time_is_both_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[threading.Thread] = []

    def written(path: Path, data: bytes) -> None:
        # The other one comes when this one has read what was there; it waits, or is done.
        if not others:
            others.append(
                threading.Thread(target=write_profile, args=(tmp_path, profile_of("there")))
            )
            others[0].start()
            others[0].join(1)
        write_atomically(path, data)

    monkeypatch.setattr(host_profile, "write_atomically", written)
    write_profile(tmp_path, profile_of("here"))
    others[0].join()
    assert read_profile(tmp_path, "here") == profile_of("here")
    assert read_profile(tmp_path, "there") == profile_of("there")


def test_a_bundle_with_a_profile_is_the_same_bundle(bundle: Bundle) -> None:
    write_profile(bundle.path, profile_of())
    assert load_bundle(bundle.path).manifest == bundle.manifest


@pytest.mark.parametrize("content", ["{", '{"profiles": [{"host": "here"}]}', '{"else": 1}'])
def test_a_damaged_file_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / PROFILES).write_text(content)
    with pytest.raises(BundleError, match="delete it and run `takt tune` again"):
        read_profile(tmp_path, "here")
