"""The audit log: every change, by whom and why, in a chain of entries that shows tampering.

Imports what the modules of `recording` share, `domain`, `errors`, `observing`, `bundles.signing`.
Start reading at `entry.py`; `chain.py` stores entries, `verify.py` checks them.
"""
