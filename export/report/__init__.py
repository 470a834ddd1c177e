"""An evaluation as an HTML page and as a table, a verification as a table, a bundle as a card.

May import `export.evaluation`, `export.wording` and the service below its API; `export.learning`,
`msa` and `commands` import it. Start reading at `page.py`, then the template `page.html`.
"""
