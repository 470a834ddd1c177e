"""The training of INP-Former."""
