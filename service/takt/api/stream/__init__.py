"""Streams of frames over a WebSocket, under `/v1/models/{name}/stream`, and who watches them.

Imports what the modules of `takt/api` share, `takt/api/multiview` for frames that show views
of parts, `recording` for the formats of pictures, and the room `streaming`, which keeps the order
and the sessions. Start reading at `routes.py`; `watching.py` is for those who look on.
"""
