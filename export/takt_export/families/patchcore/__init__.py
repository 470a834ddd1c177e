"""How a PatchCore is learned, by command and by `takt learn`.

May import every other room of `takt_export`, and `takt_models`. Start reading at
`learning.py`; `teaching.py` goes on from what people judged.
"""
