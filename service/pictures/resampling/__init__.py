"""Pillow's and torchvision's antialiased resize."""
