from fake_server import scripted, wire

__all__ = ["scripted", "wire"]
