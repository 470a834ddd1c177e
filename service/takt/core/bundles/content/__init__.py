"""The listed files of a bundle, of which nothing is believed before it is checked.

May import `manifest`, `reading` and `signing` of `bundles`, and `errors`. Start reading at
`listed_files.py`.
"""
