"""uvicorn, as Takt runs it: signals, and a good end; what connections may do is in `connections`.

Imports `app`, `settings` and `observing`; `cli` imports this one. Start reading at `run.py`.
"""
