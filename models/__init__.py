"""The detectors in plain torch, their checkpoints and their fits.

Imports nothing else of ours; `service` and `export` know it, not the reverse. Start reading at
`detector.py`: every model keeps that contract.
"""
