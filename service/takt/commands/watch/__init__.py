"""`takt watch`: inspects the frames of a camera, a video or a folder, with a bundle or a server.

May import the client, and of the service `repository` and all rooms below it. Start reading at
`run.py`, the loop. `local.py` and `remote.py` inspect the frames; `takt/sources/` gives them.
"""
