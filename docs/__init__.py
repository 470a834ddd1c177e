"""The documentation's pages, and the programs that make parts of them.

`_reference` writes what the code declares into pages; `_site` is what the site needs beyond Sphinx,
whose configuration is `conf.py`.
"""
