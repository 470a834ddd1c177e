"""The model families: one list, and a folder for each with all that sets it apart.

The list and the facts import the standard library alone, so that every house may read them.
`checkpoints` of a family's folder imports the models too, its other modules what the exporter may;
they are loaded when they are asked for. Start reading at `every.py`, which has the list.
"""
