"""What every worker of a server does before a change is answered, so that they serve as one.

May import the modules of `repository` and everything below them. Start reading at `orders.py`:
the worker that leads makes each change. `others.py` is what it has the others do.
"""
