"""The record by HTTP: search, judgements, and what follows from them, under `/v1`.

It imports the room `recording`, and what the modules of `takt/api` share. Start reading at
`judging.py`.
"""
