"""Several ways to learn, tried in a given time, of which the one is taken that finds clearly more.

`trials.py` holds pictures back, fits a candidate on the others and asks it; `choosing.py` decides;
`searching.py` goes through the candidates while there is time. May import `takt_models` and every
other room of `takt_export` but `commands`; `takt_export.learning.learn` calls it. Start reading at
`searching.py`.
"""
