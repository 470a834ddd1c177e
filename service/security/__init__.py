"""Who may ask: the names that the server answers to, the web pages that may change something.

Imports `errors` alone; the web API asks it before anything else. Start reading at `gate.py`.
"""
