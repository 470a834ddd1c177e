from takt_families.family import Family

FACTS = Family("grey", "Grey", about="Grey compares greys, and learns at once.", fit_s=1)
