"""`torch.backends.quantized`: no engines."""

engine = "none"
supported_engines = ["none"]
