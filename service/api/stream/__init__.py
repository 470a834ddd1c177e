"""Video over WebSocket."""
