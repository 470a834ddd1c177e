"""PatchCore before torch is loaded."""

from takt_families.family import Family

FACTS = Family(
    "patchcore",
    "PatchCore",
    about="PatchCore keeps what good parts look like. It learns in seconds to a few minutes, is "
    "quick on a CPU, and takes further pictures later.",
    fit_s=25,
    takes_encoder=True,
    is_searched=True,
    takes_more=True,
)
