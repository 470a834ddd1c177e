"""What parts are, what they stand on, and how an app is put together of them.

May import what `parts` may. Start reading at `part.py`; `foundation.py` has what every
part is made of, `assembly.py` makes the app, and `life.py` is its start and its end.
"""
