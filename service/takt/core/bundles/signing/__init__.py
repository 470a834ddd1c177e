"""Who made a bundle: keys, and the signature over its manifest, which lists every file's digest.

May import `reading`, `strict_model` and `files` of `bundles`, and `errors`. Start reading
at `signature.py`; `keys.py` reads the files of keys.
"""
