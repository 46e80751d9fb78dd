"""The compositions behind `nn.functional`, one file a family."""
