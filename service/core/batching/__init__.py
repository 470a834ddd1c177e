"""Waiting and refusing: queues, stages, admission and batches.

Imports `domain` and `errors`. It knows nothing of pictures. Start reading at `stage.py`, one step
of a picture's way; `admission.py` says who is refused, `batcher.py` takes what comes, and the
workers of `crew.py` run it in batches.
"""
