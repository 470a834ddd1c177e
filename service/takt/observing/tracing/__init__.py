"""Traces by OpenTelemetry, which is imported only where the setting `tracing` asks for it.

Imports what `observing` may. Start reading at `base.py`, which says what the service needs of a
trace; `spans.py` makes the spans, `otlp.py` sends them, and `factory.py` chooses.
"""
