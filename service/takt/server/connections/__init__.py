"""One connection, and all of them together: bounds on number, time, memory and chatter.

Imports `api`, `security`, `domain` and `errors`; `server` imports this one. Start reading at
`gate.py`.
"""
