"""The few numbers that tell how a server fares, and which alert conditions hold now.

Reads the instruments every few seconds, for whoever asks the server itself instead of Prometheus.
Imports the rest of `observing`, `host` and what they may import. Start reading at `watch.py`, which
takes the readings; `conditions.py` has every condition, and `figures.py` the numbers.
"""
