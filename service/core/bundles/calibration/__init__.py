"""Thresholds from the scores of known pictures, and what such a threshold promises.

Imports `errors` and, of the room around it, the pair of thresholds. Start reading at
`conformal.py`.
"""
