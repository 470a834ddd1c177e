"""Measurement system analysis of a good/defect inspection, as AIAG's attribute study has it.

May import `takt_export.report`, `takt_export.evaluation`, `takt_export.calibration`,
`takt_export.pictures` and the service below its API; `takt_export.commands` imports it. The modules
here are the statistics, which take any `Study`; its rooms are where a study comes from and how its
analysis is told. Start reading at `study.py`, then `figures.py` and `analysis.py`.
"""
