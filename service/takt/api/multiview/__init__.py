"""Recipes, and parts of several views, over HTTP.

May import what `api` may. Start reading at `parts.py`.
"""
