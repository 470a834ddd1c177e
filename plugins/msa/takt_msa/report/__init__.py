"""An analysis as an HTML page, as lines of text and as JSON.

May import the statistics of `takt_export.msa` and `takt_export.report`, whose style and macros the
page uses; `takt_export.commands` imports it. Start reading at `page.py`, then the template
`study.html`.
"""
