"""PatchCore (Roth et al., CVPR 2022): the distance of a picture's features to a bank of good ones.

Imports `models/detector.py` and the encoders of `models/inpformer/`. Start reading at
`detector.py`; `encoder.py` has the features, `coreset.py` chooses the vectors of a bank.
"""
