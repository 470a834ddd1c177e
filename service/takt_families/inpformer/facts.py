"""INP-Former before torch is loaded."""

from takt_families.family import Family

FACTS = Family(
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
