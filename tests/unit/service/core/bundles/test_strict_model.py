from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from takt.core.bundles.bundle import MANIFEST, Bundle, load_bundle
from takt.core.bundles.manifest import Manifest
from takt.core.errors import BundleError


def changes_of(value: Any) -> Iterator[Any]:
    """The value with one leaf changed or taken away, for each leaf."""
    match value:
        case dict():
            for key, inner in value.items():
                yield {name: one for name, one in value.items() if name != key}
                yield from ({**value, key: changed} for changed in changes_of(inner))
        case list():
            yield [*value, *value[:1], 0]
            for index, inner in enumerate(value):
                for changed in changes_of(inner):
                    yield [*value[:index], changed, *value[index + 1 :]]
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        case str():
            yield value + "0"
        case None:
            yield 1


def test_a_change_of_any_field_of_a_manifest_is_found(bundle: Bundle) -> None:
    written = json.loads((bundle.path / MANIFEST).read_bytes())
    count = 0
    for changed in changes_of(copy.deepcopy(written)):
        if "digest" not in changed:
            continue
        count += 1
        with pytest.raises(ValueError):  # pydantic's are ValueErrors too
            Manifest.parse(json.dumps(changed).encode())
    assert count > 50


def test_how_a_manifest_is_laid_out_does_not_count(bundle: Bundle) -> None:
    fields = json.loads((bundle.path / MANIFEST).read_bytes())
    turned = dict(reversed(fields.items()))
    (bundle.path / MANIFEST).write_text(json.dumps(turned, indent=7))

    assert load_bundle(bundle.path).manifest == bundle.manifest


def test_a_manifest_from_before_digests_and_sizes_still_loads(bundle: Bundle) -> None:
    fields = json.loads((bundle.path / MANIFEST).read_bytes())
    del fields["digest"], fields["sizes"]
    (bundle.path / MANIFEST).write_text(json.dumps(fields))

    again = load_bundle(bundle.path).manifest

    assert (again.digest, again.sizes) == (None, {})
    assert again == bundle.manifest.model_copy(update={"digest": None, "sizes": {}})


def test_a_bundle_that_is_right_in_itself_is_taken_whoever_wrote_it(bundle: Bundle) -> None:
    """A digest finds a change; it does not tell who made it."""
    manifest = bundle.manifest
    thresholds = manifest.thresholds.model_copy(update={"image": 99.0})
    forged = manifest.model_copy(update={"thresholds": thresholds})
    (bundle.path / MANIFEST).write_bytes(forged.json_bytes())

    assert load_bundle(bundle.path).manifest.thresholds.image == 99.0


def test_the_shipped_bundle_from_before_loads() -> None:
    shipped = Path(__file__).parents[5] / "examples" / "models" / "pitting" / "1"

    assert load_bundle(shipped, shipped.parents[1]).manifest.digest is None


def test_two_values_for_one_name_are_refused(bundle: Bundle) -> None:
    content = (bundle.path / MANIFEST).read_text()
    twice = content.replace('"image": 0.5', '"image": 0.4, "image": 0.5')
    assert twice != content
    (bundle.path / MANIFEST).write_text(twice)

    with pytest.raises(BundleError, match=r"manifest\.json: a name stands twice"):
        load_bundle(bundle.path)
