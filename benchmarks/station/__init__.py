"""What a station promises, measured: in real time with real processes, and in time that is passed.

Start reading at `line.py`; `virtual.py` plays millions of parts and faults from seeds.
"""
