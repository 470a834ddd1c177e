"""PatchCore (Roth et al., CVPR 2022): the distance of a picture's features to a bank of good ones.

Imports `models/detector.py`, `models/input_size.py`, `models/dinov2/` and the light encoder of
`models/inpformer/`. Start reading at `detector.py`; `encoder.py` has the features, `coreset.py`
chooses the vectors of a bank.
"""
