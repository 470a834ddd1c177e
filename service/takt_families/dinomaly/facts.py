"""Dinomaly before torch is loaded."""

from takt_families.family import Family

FACTS = Family("dinomaly", "Dinomaly", is_trained=True, is_transformer=True)
