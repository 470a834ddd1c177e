"""PatchCore (Roth et al., CVPR 2022): the distance of a picture's features to a bank of good ones.

Imports `takt_models/detector.py`, `takt_models/input_size.py`, `takt_models/dinov2/` and the light
encoder of `takt_models/inpformer/`. Start reading at `detector.py`; `encoder.py` has the features,
`coreset.py` chooses the vectors of a bank.
"""
