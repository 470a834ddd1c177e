"""How well a bundle finds defects, and whether it still answers as it was exported.

May import `export.pictures` and `export.errors` and the service below its API; `export.report`,
`learning`, `msa` and `commands` import it. Start reading at `evaluate.py`.
"""
