"""Waiting and refusing: queues, stages, admission and batches.

Imports `domain` and `errors`. It knows nothing of what is in a picture. Start reading at
`stage.py`, one step of a picture's way; `admission.py` says who is refused, `batcher.py` takes what
comes, `intake.py` forms the batches, and the workers of `crew.py` run them.
"""
