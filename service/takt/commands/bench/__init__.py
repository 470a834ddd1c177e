"""`takt bench`: loads a running server and measures its answers.

May import the client, for frames and errors, and of the service its root and `pictures`. Start
reading at `run.py`; `load.py` has the loops, `rest.py` and `stream.py` the ways to a server.
"""
