"""The bytes of checkpoint files: containers, pickles and their tensors.

Imports the errors of `takt_models/checkpoints` alone. Start reading at `pickles.py`: it is the one
place that opens a pickle.
"""
