"""A family that a stranger might add: how far a picture's greys are from those of good ones.

Tests copy it into `families/`, under whose name it imports itself.
"""
