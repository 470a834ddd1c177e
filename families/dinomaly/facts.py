"""Dinomaly before torch is loaded."""

from families.family import Family

FACTS = Family("dinomaly", "Dinomaly", is_trained=True, is_transformer=True)
