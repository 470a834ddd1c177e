"""Streams of frames: their order, what is dropped, votes over several frames, and going on."""
