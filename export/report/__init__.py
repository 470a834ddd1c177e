"""Figures of an evaluation as a page, as tables and as a card."""
