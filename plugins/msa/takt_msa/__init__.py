"""Measurement system analysis of a good/defect inspection, as AIAG's attribute study has it.

Imports `core`, `recording`, `commands` and the leaf modules of `takt`, what `takt_export` reads,
judges and shows pictures with, and the digest of a picture in `takt_models`. The modules here are
the statistics, which take any `Study`; its rooms are where a study comes from, how its analysis is
told, and its commands. Start reading at `study.py`, then `figures.py` and `analysis.py`.
"""
