"""Traces of what is inspected: a span for each picture, and one for each stage of its journey."""
