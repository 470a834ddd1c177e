"""The detectors in plain torch, their checkpoints and their fits.

Imports the list of families and nothing else of ours; `takt_export` knows it, not the reverse.
Start reading at `detector.py`: every model keeps that contract.
"""
