"""`takt doctor`: tells what this host can run, what is missing for the rest, and how to get it.

May import the root of `takt`, `bundles` and `engines`. Start reading at `command.py`: it gathers
the facts of `facts.py` and has `verdicts.py` judge them; `child.py` runs the probes of `probes.py`.
"""
