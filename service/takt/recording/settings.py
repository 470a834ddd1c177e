"""What may be set of the record; it imports no database."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from takt.declaration import under

_kept = under("Record")


class RecordSettings(BaseModel):
    """The record."""

    data_folder: Path = _kept(
        Path("takt-data"),
        "Folder for what the server keeps: the record of its inspections, and their pictures; made "
        "where it is missing.",
    )
    record: str = _kept(
        "sqlite",
        "Database of the record. sqlite: a file in `data_folder`; none: nothing is recorded; or "
        "the URL of a PostgreSQL database, postgresql://user:password@host/database, which needs "
        "the extra `postgresql`.",
        min_length=1,
    )
    keep: str = _kept(
        "rejects,near=0.1,sample=0.01,recent",
        "Which pictures the record keeps, as they came: `rejects`, `near=0.1` (scores no further "
        "from the threshold than a tenth of its distance from the usual score of good parts), "
        "`sample=0.01` (one of a hundred others, by chance), `recent` (the last ones of every "
        "station, whatever the verdict, within `recent_gb` of `retain`), with commas between; or "
        "`none`.",
    )
    retain: str = _kept(
        "days=90,pictures=200000,gb=20,recent_gb=2,record_days=400",
        "How long the record keeps pictures: `days`, at most `pictures` of them and `gb` of disk, "
        "the oldest go first; `recent_gb`, the disk of pictures that are kept as `recent` alone, "
        "which those bounds do not count; and `record_days`, how long it keeps inspections at all. "
        "What is left out has no bound, but `recent_gb` is 2 then. Pinned ones stay.",
    )
    commit_before_answer: bool = _kept(
        False,
        "Whether an answer waits until its inspection is in the record, on the disk, and so is its "
        "picture where `keep` has it: then no kill and no loss of power takes an inspection that "
        "was answered, and where the record cannot take one, the caller gets 503 and no verdict. "
        "Otherwise no answer waits for the record, and the last tenths of a second may be missing.",
    )
