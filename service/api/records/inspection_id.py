"""The number of an inspection, in paths and bodies."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import Field

HIGHEST_ID = 2**63 - 1

Id = Annotated[int, Field(ge=1, le=HIGHEST_ID)]
InspectionId = Annotated[
    int, Path(alias="id", ge=1, le=HIGHEST_ID, description="Number of the inspection.")
]
