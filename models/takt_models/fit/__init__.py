"""The fits of the detectors and of the teacher.

Imports all other rooms of `takt_models`. Start reading at `patchcore/fit.py`, the usual fit;
`options.py` says how options are declared, `resume.py` how an interrupted fit goes on.
"""
