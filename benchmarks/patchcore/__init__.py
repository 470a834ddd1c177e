"""Which setting of a memory bank finds most, over several sets of pictures.

Offline, in torch. `variants` names the settings that were tried; `python -m benchmarks.patchcore`
prints a row for each. It imports `models/`, `export/evaluation/` and `service/pictures/`.
"""
