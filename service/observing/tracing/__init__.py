"""Traces by OpenTelemetry, which is imported only where the setting `tracing` asks for it.

`base.py` says what the service needs of a trace, `spans.py` makes the spans, `otlp.py` sends them,
and `factory.py` chooses.
"""
