"""Made defects in pictures of good parts: for data sets, and of graded sizes for the self-test.

May import `takt_export.pictures` and `takt_export.errors`; `takt_export.calibration`,
`takt_export.commands` and families that train import it. Start reading at `data_set.py`, or at
`sized.py` for the self-test's.
"""
