"""Stations that say how they fare, over HTTP.

May import what `api` may. Start reading at `routes.py`.
"""
