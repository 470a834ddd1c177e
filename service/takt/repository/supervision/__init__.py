"""The engines of a version, kept at work: opened, checked, watched, mended and closed.

May import `engines` and everything below it. Start reading at `supervisor.py`; `engine_room.py`
opens and closes, `rules.py` has the bounds, `lost_threads.py` says when the process must end.
"""
