"""The station: from a controller's trigger to a result at the gate, inside the cycle.

Imports nothing of the service. Start reading at `cycle/machine.py`, which knows no protocol.
"""
