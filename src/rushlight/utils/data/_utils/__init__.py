"""The loader's parts, under the names by which programs import them from PyTorch."""
