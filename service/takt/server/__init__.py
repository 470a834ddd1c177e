"""uvicorn, as Takt runs it: signals, and a good end; what connections may do is in `connections`.

Imports `api`, `app`, `core`, `observing`, `parts`, `peers`, `recording`, `repository`, `security`,
`settings` and `streaming`. Start reading at `run.py`.
"""
