"""A family that a stranger might add: how far a picture's greys are from those of good ones."""
