"""From a folder of good pictures to a bundle that can be served, in one go.

May import every other room of `takt_export` but `commands` and `msa`. Start reading at `learn.py`.
"""
