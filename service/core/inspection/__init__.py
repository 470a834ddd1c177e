"""The journey of one picture through one model.

Imports engines, pictures and whatever lies below them. Start reading at `pipeline.py`: every
protocol's pictures go through that page. `offline.py` is the same for the commands.
"""
