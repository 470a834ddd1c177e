"""The web API: middleware, errors and a room for each protocol and subject.

Imports `configuration`, `core`, `learning`, `mirroring`, `multiview`, `observing`,
`peers`, `recording`, `repository`, `security`, `settings`, `stations`, `streaming` and `watching`.
Start reading at `rest/inspect.py`, which answers one picture.
"""
