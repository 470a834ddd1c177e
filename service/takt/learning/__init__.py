"""Learning for whoever asks the server: pictures are gathered, and `takt learn` does the rest.

It runs as a process of its own, as the service never imports torch. Imports `core`,
`recording` and `settings`. Start reading at `desk.py`.
"""
