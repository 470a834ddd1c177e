"""`takt replay`: recorded inspections asked again, on what had answered them.

It imports the rooms `repository.replaying` and `recording`. Start reading at `command.py`.
"""
