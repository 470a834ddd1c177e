"""The cycle of a part as a state machine: what holds whatever controllers, cameras and servers do.

Imports nothing of the service; time is passed in. Start reading at `machine.py`; `signals.py` is
what a controller says and reads.
"""
