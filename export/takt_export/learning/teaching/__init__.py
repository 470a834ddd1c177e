"""A model taught by judged defects: the next version, which finds what the one before missed.

`judged_pictures.py` reads the folder; `request.py` is what a family is asked for; `verdicts.py` is
what is said of pictures before and after; `taught_version.py` compares. May import every other room
of `takt_export` but `commands` and `msa`; `takt_export.commands.learn` calls it. Start reading at
`teach.py`.
"""
