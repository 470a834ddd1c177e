"""INP-Former, as the list of families has it.

`facts.py` imports the standard library alone, `checkpoints.py` the models too, and the others what
the exporter may. Start reading at `facts.py`.
"""
