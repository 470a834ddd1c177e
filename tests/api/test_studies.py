"""A measurement system analysis of what a server has recorded."""

from __future__ import annotations

from pathlib import Path

from takt.recording.record import Record
from takt.recording.review.judging import NewJudgement, judge
from takt.recording.search.filters import Filters
from takt_export.evaluation.inspectors import LocalInspector
from takt_msa.figures import appraiser_figures
from takt_msa.sources.folder import read_placements
from takt_msa.sources.judging import judged_study
from takt_msa.sources.recorded import recorded_study

LEVELS = {
    "good/a": (40, 42, 44),
    "good/b": (100, 120, 140),
    "defect/c": (200, 210, 220),
    "defect/d": (119, 251, 252),
}
"""Of each part's placements; the model answers brightness, above 127 a rejection."""


async def test_a_study_of_the_record_has_the_figures_of_the_same_pictures_in_a_folder(
    serve, sqlite_record: Record, bundle, picture_bytes, tmp_path: Path
) -> None:
    async with serve(record=sqlite_record, keep="sample=1") as client:
        for part, levels in LEVELS.items():
            (tmp_path / "study" / part).mkdir(parents=True)
            for level in levels:
                picture = picture_bytes(level)
                (tmp_path / "study" / part / f"{level}.png").write_bytes(picture)
                name = part.partition("/")[2]
                url = f"/v1/models/parts/inspect?part={name}"
                assert (await client.post(url, content=picture)).status_code == 200
    judge(sqlite_record.database, [1, 4], NewJudgement("good", "Ann"))
    judge(sqlite_record.database, [7, 10], NewJudgement("defect", "Ann"))

    recorded = recorded_study(sqlite_record, Filters(model="parts")).study
    with LocalInspector(bundle, threads=1) as inspector:
        placed = read_placements(tmp_path / "study")
        judged = judged_study(placed, inspector, "parts, version 1", 0.5, quiet=True)

    assert appraiser_figures(recorded, 0) == appraiser_figures(judged, 0)
    assert recorded.threshold == judged.threshold
