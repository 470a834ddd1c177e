"""An analysis as an HTML page, as lines of text and as JSON.

Imports the statistics of `takt_msa`, and `takt_export.report`, whose style and macros the page
uses. Start reading at `page.py`, then the template `study.html`.
"""
