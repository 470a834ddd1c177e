"""A family of detectors for Takt: how far a picture's greys are from those of good ones."""
