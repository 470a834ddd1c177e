"""An evaluation as an HTML page and as a table, a verification as a table, a bundle as a card.

May import `takt_export.evaluation`, `takt_export.wording` and the service below its API;
`takt_export.learning`, `takt_export.commands` and `takt_msa` import it. Start reading at `page.py`,
then the template `page.html`.
"""
