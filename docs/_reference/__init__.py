"""What the code declares, written into the pages: settings, metrics, errors, commands, routes.

`make reference` renews them, and a test compares them. What is made stands between two comments,
`<!-- made: NAME -->` and `<!-- made end -->`; the rest of a page is written by hand. `scale.py`
computes its tables from measured figures. Start reading at `pages.py`. It may import everything
that Takt has.
"""
