"""The same model for another engine or in lower precision."""
