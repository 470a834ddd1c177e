"""The corpus: all sets of pictures at once, so that the detector is not tuned to one of them.

`python -m benchmarks.corpus` fits a PatchCore to each set as `takt learn` does, prints one table
and logs the setting with its figures; `compare` and `leave-one-out` read what was logged.

`sets.py` finds the sets, `settings.py` has what may be set, `features.py` keeps the encoder's
features on disk. `fitted.py` alone touches the fit and the model. `measuring.py` measures a set,
and `running.py` all of them in processes. `figures.py` and `results.py` hold what came of it,
`table.py` prints it. `comparing.py` and `choosing.py` judge settings, `speed.py` times the graphs.
`moves.py` alters pictures as a line does, `moved.py` asks models about them, `bearing.py` tells.
Start reading at `running.py`. Imports what it measures, and nothing imports it.
"""
