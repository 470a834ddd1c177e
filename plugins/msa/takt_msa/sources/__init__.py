"""Where the parts and decisions of a study come from.

May import `takt_msa.study`, `takt_export.evaluation`, `takt_export.calibration`,
`takt_export.pictures` and the service below its API. Start reading at `folder.py`, a folder with
repeated placements, which `judging.py` has a bundle judge; or at `recorded.py`, a judged selection
of the record.
"""
