"""PatchCore, as the list of families has it.

Its modules may import `models` and `export`, all but `facts.py`. Start reading there.
"""
