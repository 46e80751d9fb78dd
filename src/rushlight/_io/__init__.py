"""File formats: how tensors get to disk and back."""
