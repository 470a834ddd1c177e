"""The number of an inspection, in paths and bodies."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

HIGHEST_ID = 2**63 - 1

InspectionId = Annotated[
    int, Path(alias="id", ge=1, le=HIGHEST_ID, description="Number of the inspection.")
]
