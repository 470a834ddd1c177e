"""The model families: one list, and a folder for each with all that sets it apart.

The list and the facts import the standard library alone, so that every house may read them. The
other modules of a family's folder import what the exporter may, and are loaded when they are asked
for. Start reading at `every.py`, which has the list.
"""
