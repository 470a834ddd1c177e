"""What the site needs beyond Sphinx: a drawing, a style, and the check of what was built."""
