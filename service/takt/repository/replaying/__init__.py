"""Recorded inspections asked again: does the same bundle still answer the same?

It imports the other modules of `repository`, and what lies below them. Start reading at
`replay.py`: a kept picture goes once more through the pipeline of a version, and the answers are
compared by `tolerance.py` and `regions.py`. `opening.py` opens what had answered, where no server
has it.
"""
