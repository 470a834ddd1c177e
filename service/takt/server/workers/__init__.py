"""Several processes that are one server: a supervisor, and workers that each are the whole service.

The supervisor accepts every connection and hands it to the worker that has the fewest, so that
cameras which stay connected for months are spread evenly. It starts workers anew, replaces them one
by one, and carries their messages. A picture never passes through it.

Imports `server`, and what that may; `cli` imports this one. Start reading at `supervisor.py`, then
`worker.py`.
"""
