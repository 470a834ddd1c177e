"""Bundles from a URL: what is there is kept in a folder, which the repository reads as any other.

Imports `core` and `peers`. Start reading at `mirror.py`, which makes the folder equal to the URL
once; `worker.py` does so again and again on a thread of its own. `location.py` is what a setting
names, `store.py` the one place where fsspec is asked, `listing.py` what there is, `fetching.py` how
a version comes, `folder.py` what is kept here, `option.py` what a command says that takes no URL.
"""
