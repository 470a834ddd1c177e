"""The web API: middleware, errors and what its protocols share; `rest`, `oip` and `stream`.

Imports every room but `commands`; only the app and the server import this one. Start reading at
`rest/inspect.py`, which answers one picture.
"""
