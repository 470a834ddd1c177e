"""Learning over HTTP: a job is made, given pictures, started, watched and ended.

May import what `api` may. Start reading at `routes.py`.
"""
