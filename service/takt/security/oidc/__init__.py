"""OpenID Connect: callers whom an issuer of tokens vouches for (the extra `oidc`).

Imports `errors`, and `caller`, `exposure` and `settings` of the room above, which alone imports
this one. Start reading at `token_authenticator.py`.
"""
