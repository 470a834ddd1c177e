"""What pictures of a folder show, by their files' names or by a table."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from takt.core.domain import Labels
from takt.sources import labels as module
from takt.sources.capture import SourceError
from takt.sources.labels import by_pattern, by_table, file_labels


def test_a_pattern_finds_part_and_lot_where_it_fits() -> None:
    labels_of = by_pattern(re.compile(r"^(?:(?P<lot>L\d+)_)?(?P<part>S\d+)$"))
    file = ("file", "L7_S1054.jpg")
    assert labels_of("L7_S1054.jpg") == Labels(part="S1054", lot="L7", tags=(file,))
    assert labels_of("S1054.png") == Labels(part="S1054", tags=(("file", "S1054.png"),))
    assert labels_of("other.png") == Labels(tags=(("file", "other.png"),))


def test_a_name_that_no_label_may_have_is_cut_and_made_plain() -> None:
    ((_, text),) = file_labels("a\n\udcff" + "x" * 200 + ".png").tags
    assert len(text) == 128 and text.endswith("x.png")
    assert file_labels("a\nb\udcff.png").tags == (("file", "a?b?.png"),)


def test_a_table_says_part_lot_and_tags(tmp_path: Path) -> None:
    table = tmp_path / "parts.csv"
    table.write_text("file,part,lot,shift\na.png,S1,L7,2\nb,S2,,\n", encoding="utf-8")
    labels_of = by_table(table)
    assert labels_of("a.png") == Labels(
        part="S1", lot="L7", tags=(("file", "a.png"), ("shift", "2"))
    )
    assert labels_of("b.png").part == "S2" and labels_of("b.png").lot is None
    assert labels_of("c.png") == file_labels("c.png")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,part\na,b\n", "needs the columns file and part"),
        ("file,part\na,b,c\n", "line 2, has another number of columns"),
        ("file,part\na\n", "line 2, has another number of columns"),
        (f"file,part\na,{'x' * 129}\n", "part has more than 128 characters"),
        ("file,part,shift\na,S1,\x07\n", "cannot be printed"),
        ("file,part," + ",".join(f"t{n}" for n in range(16)) + "\na,b" + ",1" * 16, "more than 15"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, text: str, said: str) -> None:
    table = tmp_path / "parts.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=said):
        by_table(table)


def test_a_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "parts.csv").write_bytes(b"file,part\n\xff,1\n")
    with pytest.raises(SourceError, match="cannot be read"):
        by_table(tmp_path / "parts.csv")


def test_the_examples_of_the_docstrings_run() -> None:
    tested = doctest.testmod(module)
    assert tested.attempted > 0 and tested.failed == 0
