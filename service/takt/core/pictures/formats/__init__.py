"""The five file formats: what a header says, and what is refused before the decoder sees the file.

Imports `errors`. Start reading at `image_header.py`; each format has a module with `read_…`, which
needs the beginning of a file, and `checked_…`, which needs all of it and returns what to decode.
"""
