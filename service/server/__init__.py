"""uvicorn, as Takt runs it: connections with bounds, signals, and a good end.

Imports `app`, `settings` and `observing`; `cli` imports this one. Start reading at `server.py`.
"""
