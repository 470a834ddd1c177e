"""EfficientAD before torch is loaded."""

from takt_families.family import Family

FACTS = Family(
    "efficientad",
    "EfficientAD",
    article="an",
    about="EfficientAD is a network that is trained for some minutes, best with a GPU. It stays as "
    "quick, however many pictures it has seen.",
    fit_s=1200,
    is_trained=True,
    fewest_steps=500,
)
