"""Optimisers, the length of a fit, and a faster convolution.

Imports torch and numpy, and nothing of ours. Start reading at `descent.py`, one step of any fit;
`schedule.py` says how many steps there are.
"""
