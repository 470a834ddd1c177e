"""The journey of one picture through one model.

Imports `batching`, `bundles`, `domain`, `engines`, `errors`, `host` and `pictures`. Start reading
at `pipeline.py`: every protocol's pictures go through that page. `offline.py` is the same for the
commands.
"""
