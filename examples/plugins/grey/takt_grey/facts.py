"""What is known of the family before torch is loaded."""

from takt.core.families.family import Family

FACTS = Family("grey", "Grey", about="Grey compares greys, and learns at once.", fit_s=1)
