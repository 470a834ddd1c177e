"""The families that Takt brings, before torch is loaded."""

from __future__ import annotations

from takt.core.families.family import Family

PATCHCORE = Family(
    "patchcore",
    "PatchCore",
    about="PatchCore keeps what good parts look like. It learns in seconds to a few minutes, is "
    "quick on a CPU, and takes further pictures later.",
    fit_s=25,
    takes_encoder=True,
    is_searched=True,
    takes_more=True,
)
EFFICIENTAD = Family(
    "efficientad",
    "EfficientAD",
    article="an",
    about="EfficientAD is a network that is trained for some minutes, best with a GPU. It stays as "
    "quick, however many pictures it has seen.",
    fit_s=1200,
    is_trained=True,
    fewest_steps=500,
)
INPFORMER = Family(
    "inpformer",
    "INP-Former",
    article="an",
    about="INP-Former is trained for some minutes as well. It compares each part with itself, for "
    "parts that vary much.",
    fit_s=1200,
    is_trained=True,
    fewest_steps=200,
    takes_encoder=True,
    is_transformer=True,
)
DINOMALY = Family("dinomaly", "Dinomaly", is_trained=True, is_transformer=True)
