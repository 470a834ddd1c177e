"""A smart camera by Modbus TCP, as a controller sees it: its registers, and the server of them.

Imports `core` and, of the station, `controllers` and `cycle`. Start reading at `signals.py`, the
table of every bit and word; `registers.py` turns what a controller says and reads into words and
back, `memory.py` answers reads and writes, `wire.py` has the protocol, and `camera.py` the
connections.
"""
