"""The training of EfficientAD."""
