"""How an EfficientAD is learned, by command and by `takt learn`, and how its graph is written.

May import every other room of `takt_export`, and `takt_models`. Start reading at
`learning.py`.
"""
