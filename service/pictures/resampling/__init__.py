"""The antialiased resizes of Pillow and of torchvision, exact to the level.

Imports `bundles` and `domain`. Start reading at `antialiased.py`, which has both resizes;
`weights.py` has the formulas, and `sums.py` takes the sums.
"""
