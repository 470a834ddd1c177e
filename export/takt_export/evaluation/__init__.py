"""How well a bundle finds defects, and whether it still answers as it was exported.

May import `takt_export.pictures` and `takt_export.errors` and the service below its API;
`takt_export.report`, `learning`, `msa` and `commands` import it. Start reading at `evaluate.py`.
"""
