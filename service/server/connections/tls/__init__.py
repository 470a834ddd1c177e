"""TLS around a connection: its handshake, and what is encrypted on the way.

Imports `http_connection` and `state` beside it. Start reading at `tls_connection.py`.
"""
