"""Review: what people said of inspections, and what follows from it.

It imports the record's tables, database and pictures, its rooms `search` and `audit`,
`bundles.calibration`, `domain` and `errors`. Start reading at `judging.py`, or at `figures.py` for
what judgements tell of a model.
"""
