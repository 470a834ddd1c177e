"""The station: from a controller's trigger to a result at the gate, inside the cycle.

A process of its own, which asks a server by its client. Imports `commands`, `core`, `observing`,
`sources` and `takt_client`. Start reading at `cycle/machine.py`, which knows no protocol;
`running.py` has it work with real time, `cameras.py` and `inspector.py` are what it works with,
`plc/` is what a controller sees of it, and `plant/` is made up around it.
"""
