"""Sources of frames: folders, videos, webcams and addresses, with what happens when they go away.

Imports `core`. Start reading at `sources.py`; `pacing.py` says what a shot is, and `capture.py`
reads through OpenCV.
"""
