"""`takt records`: what the record has, read from its database.

Each subcommand is a file. None loads the database before it is called, as `takt --help` reads them
all. It imports the room `recording`. Start reading at `command.py`.
"""
