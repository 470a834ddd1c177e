"""Puts made defects into pictures of good parts."""
