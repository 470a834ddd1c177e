"""The distillation of EfficientAD's teacher."""
