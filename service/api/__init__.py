"""The web API: middleware, errors and what its protocols share; `rest`, `oip` and `stream`.

Imports `configuration`, `core`, `families`, `learning`, `mirroring`, `observing`, `peers`,
`recording`, `repository`, `security`, `settings` and `streaming`. Start reading at
`rest/inspect.py`, which answers one picture.
"""
