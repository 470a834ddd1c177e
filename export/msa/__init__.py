"""Measurement system analysis of a good/defect inspection, as AIAG's attribute study has it.

May import `export.report`, `export.evaluation`, `export.calibration`, `export.pictures` and the
service below its API; `export.commands` imports it. The modules here are the statistics, which take
any `Study`; its rooms are where a study comes from and how its analysis is told. Start reading at
`study.py`, then `figures.py` and `analysis.py`.
"""
