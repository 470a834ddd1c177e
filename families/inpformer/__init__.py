"""INP-Former, as the list of families has it.

Its modules may import what the exporter may, all but `facts.py`. Start reading there.
"""
