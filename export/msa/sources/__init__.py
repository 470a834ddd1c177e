"""Where the parts and decisions of a study come from.

May import `export.msa.study`, `export.evaluation`, `export.calibration`, `export.pictures` and the
service below its API; `export.commands` imports it. Start reading at `folder.py`, a folder with
repeated placements, which `judging.py` has a bundle judge; or at `recorded.py`, a judged selection
of the record.
"""
