"""The documents of the API: OpenAPI for requests and answers, AsyncAPI for streams.

Imports what the modules of `takt/api` share, and the schemas of the protocols; only what
puts an app together imports this room. Start reading at `openapi.py`.
"""
