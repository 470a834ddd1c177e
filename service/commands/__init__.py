"""The tools beside the server."""
