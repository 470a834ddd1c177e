"""A made-up part, and its model in the wheel.

`shipped.py` has the model, which `benchmarks/demo_model.py` makes. It imports nothing of other
rooms. Start reading at `part.py`, which draws the part.
"""
