"""The online service: from an image's bytes to a verdict. Never imports torch."""
