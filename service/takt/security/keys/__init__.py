"""API keys: how they are made, kept as digests in a file, and found by what a caller sends.

Imports what the modules of `security` share, and `errors`. Start reading at `key.py`.
"""
