"""The console: pages for the people at a line, which a browser runs as they are.

Imports `core`. Start reading at `pages.py`; the pages are HTML, CSS and
JavaScript in `static/`, where `main.js` begins.
"""
