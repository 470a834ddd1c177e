"""The worked example of AIAG's attribute study, and small studies made by hand.

The example is that of the manual Measurement Systems Analysis (chapter III, attribute studies),
which is widely reprinted: 50 parts, three appraisers with three trials each, 1 for accepted. The
reference values lie within 0.45 to 0.55 for a good part.
"""

from __future__ import annotations

from collections.abc import Sequence

from takt_msa.study import Part, Study, Trial, study_of

APPRAISERS = ("A", "B", "C")
TABLE = """
1 111111111 0.476901 | 2 111111111 0.509015 | 3 000000000 0.576459 | 4 000000000 0.566152
5 000000000 0.570360 | 6 110110100 0.544951 | 7 111111101 0.465454 | 8 111111111 0.502295
9 000000000 0.437817 | 10 111111111 0.515573 | 11 111111111 0.488905 | 12 000000010 0.559918
13 111111111 0.542704 | 14 110111100 0.454518 | 15 111111111 0.517377 | 16 111111111 0.531939
17 111111111 0.519694 | 18 111111111 0.484167 | 19 111111111 0.520496 | 20 111111111 0.477236
21 110101010 0.452310 | 22 001010110 0.545604 | 23 111111111 0.529065 | 24 111111111 0.514192
25 000000000 0.599581 | 26 010000001 0.547204 | 27 111111111 0.502436 | 28 111111111 0.521642
29 111111111 0.523754 | 30 000001000 0.561457 | 31 111111111 0.503091 | 32 111111111 0.505850
33 111111111 0.487613 | 34 001001011 0.449696 | 35 111111111 0.498698 | 36 110111101 0.543077
37 000000000 0.409238 | 38 111111111 0.488184 | 39 000000000 0.427687 | 40 111111111 0.501132
41 111111111 0.513779 | 42 000000000 0.566575 | 43 101111110 0.462410 | 44 111111111 0.470832
45 000000000 0.412453 | 46 111111111 0.493441 | 47 111111111 0.486379 | 48 000000000 0.587893
49 111111111 0.483803 | 50 000000000 0.446697
"""
DEFECTIVE = frozenset({3, 4, 5, 9, 12, 22, 25, 26, 30, 34, 37, 39, 42, 45, 48, 50})
"""Parts whose reference is a rejection, by the manual's column of references."""


def worked_example() -> Study:
    """The study of three appraisers; a trial's score is the part's reference value."""
    parts = []
    for row in TABLE.replace("|", "\n").strip().splitlines():
        number, decisions, value = row.split()
        rejected = [one == "0" for one in decisions]
        trials = tuple(
            Trial(f"{number}-{trial}", float(value), tuple(rejected[trial::3]))
            for trial in range(3)
        )
        parts.append(Part(number, int(number) in DEFECTIVE, trials))
    return study_of(APPRAISERS, parts, 0.55)


def part(name: str, defective: bool, *scores: float, threshold: float = 0.5) -> Part:
    """A part whose trials scored so."""
    trials = (
        Trial(f"{name}/{number}", score, (score > threshold,))
        for number, score in enumerate(scores)
    )
    return Part(name, defective, tuple(trials))


def study(*parts: Part, threshold: float = 0.5) -> Study:
    return study_of(("model",), parts, threshold)


def decisions(*parts: Sequence[bool | int]) -> list[list[bool]]:
    return [[bool(one) for one in of_part] for of_part in parts]
