"""The fit of a PatchCore: no training, but a bank of features of good parts.

Imports the detector, the encoders' weights and what all fits share. Start reading at `fit.py`;
`features.py` has the features of the pictures.
"""
