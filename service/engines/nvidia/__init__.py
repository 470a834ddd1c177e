"""What only engines on NVIDIA's GPUs need."""
