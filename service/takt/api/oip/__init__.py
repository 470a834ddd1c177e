"""The Open Inference Protocol (KServe V2) under `/v2`, over the pipeline that serves REST.

Imports what the modules of `takt/api` share, and nothing of the other protocols. Start reading
at `infer.py`: `request.py` and `inputs.py` read, `response.py` writes.
"""
