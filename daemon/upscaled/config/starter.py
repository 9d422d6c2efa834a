"""The commented configuration that `upscaled config init` writes."""

from importlib import resources


def starter_text() -> str:
    """The same as `config/upscaled.example.yml` (a test compares them)."""
    return resources.files("upscaled.config").joinpath("starter.yml").read_text(encoding="utf-8")
