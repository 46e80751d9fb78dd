"""`torch.backends.opt_einsum`: einsum contracts from left to right; a preferred strategy is kept and not used."""

enabled = False
strategy = None


def is_available() -> bool:
    """False."""
    return False


def get_opt_einsum() -> None:
    """None: the package is not used."""
    return None
