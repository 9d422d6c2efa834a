"""Networks on a device: the only part that knows torch. Entry: `upscaler.open_upscaler`."""
