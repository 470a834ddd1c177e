from pathlib import Path

import pytest

from takt.core.bundles.taught import JUDGEMENTS
from takt.core.errors import BundleError
from takt.core.judged import JudgedFile, read_judged
from takt_export.calibration.by_heart import digests_taught, judgements_of, known_defects
from takt_export.errors import PicturesError
from tests.conftest import MakeBundle


def lines_of(folder: Path) -> bytes:
    return b"".join(one.line() for one in read_judged(folder))


def test_defects_that_taught_a_version_are_no_known_ones_and_are_counted(tmp_path: Path) -> None:
    for name in ("defect/a.png", "defect/b.png", "good/c.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "new.png").write_bytes(b"new")
    told: list[str] = []
    defects = [tmp_path / name for name in ("defect/a.png", "new.png", "good/c.png")]
    taught = digests_taught(lines_of(tmp_path))
    # What was judged good has taught nothing.
    assert known_defects(defects, taught, told.append) == defects[1:]
    assert "1 of 3 defects taught the version" in told.pop()
    assert known_defects(defects, frozenset(), told.append) == defects
    assert told == []
    with pytest.raises(PicturesError, match="gone"):
        known_defects([tmp_path / "gone.png"], taught, told.append)


def test_a_bundle_keeps_what_taught_it(make_bundle: MakeBundle) -> None:
    line = JudgedFile(file="defect/a.png", sha256="0a" * 32, judgement="defect").line()
    bundle = make_bundle(version="1", kept={JUDGEMENTS: line})
    assert digests_taught(judgements_of(bundle)) == {"0a" * 8}
    assert judgements_of(make_bundle(version="2")) == b""


@pytest.mark.parametrize("lines", [b"{", b"[]", b'{"judgement":"defect"}', b"\xff\n"])
def test_lines_that_nobody_understands_are_refused(lines: bytes) -> None:
    with pytest.raises(BundleError, match="cannot be understood"):
        digests_taught(lines)
