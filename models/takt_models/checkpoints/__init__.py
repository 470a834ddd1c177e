"""Checkpoints of Takt and of the public code bases: recognised and loaded, never run.

Imports the detectors, their contract and the list of families. Start reading at `formats.py`:
`load_checkpoint` there reads every format. `own.py` has Takt's own files, `description.py`
describes any file.
"""
