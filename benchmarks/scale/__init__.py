"""What workers give and lose: `takt serve --workers N` under load. `__main__.py` has the commands.

The generators are in C and of others. `wrk` asks for a time and tells read errors from refused
connections; an answer that says `Connection: close` is no error to it, a connection that is closed
otherwise is one, with the request on it. `h2load --h1` sends an exact number of requests; where a
connection is closed without an answer that said so, all that this client had left count as failed.
"""
