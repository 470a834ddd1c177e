"""The console: pages for the people at a line, which a browser runs as they are.

May import `security` and the list of families. Start reading at `pages.py`; the pages are HTML, CSS
and JavaScript in `static/`, where `main.js` begins.
"""
