"""The journey of one picture."""
