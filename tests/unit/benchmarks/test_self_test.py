from __future__ import annotations

from benchmarks.self_test import Row, lines, ordered


def row(data: str, real: float, made_up: float, *told: str) -> Row:
    return Row(data, f"recipe {real}", real, made_up, told)


def test_pairs_of_one_set_that_differ_by_a_tenth_are_counted() -> None:
    rows = [row("a", 3 / 60, 0.2), row("a", 9 / 60, 0.3), row("a", 0.1, 0.1), row("b", 0.9, 0.0)]
    assert ordered(rows) == (1, 1)


def test_what_is_alike_to_the_made_up_defects_is_not_ordered() -> None:
    assert ordered([row("a", 0.2, 0.5), row("a", 0.8, 0.5)]) == (0, 1)


def test_bad_models_that_are_not_told_and_good_ones_that_are_get_named() -> None:
    untold, told = row("a", 0.05, 0.5), row("b", 0.75, 0.1, "made_up_missed")
    said = list(lines([untold, row("a", 0.3, 0.2), told, row("b", 0.4, 0.6)]))
    assert "find under a tenth and are not told: 1 a, recipe 0.05" in said
    assert "find over half and are told: 1 b, recipe 0.75" in said
