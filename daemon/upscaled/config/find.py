"""Which files make up the configuration."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

VARIABLE = "UPSCALED_CONFIG"
_ALSO = (".yaml",)


def config_files(
    given: Sequence[Path], environment: Mapping[str, str], usual: Path
) -> tuple[Path, ...]:
    """`given` (`--config`), else `$UPSCALED_CONFIG` (`:` between several), else the usual file.

    Empty where nothing was named and the usual file does not exist: then `default_settings` hold.
    What was named is given back whether it exists or not.
    """
    if given:
        return tuple(given)
    if named := environment.get(VARIABLE, ""):
        return tuple(Path(part) for part in named.split(":") if part)
    candidates = [usual, *(usual.with_suffix(suffix) for suffix in _ALSO)]
    # A dangling link is a file that was meant: it is named in an error, not passed over.
    return next(((path,) for path in candidates if path.exists() or path.is_symlink()), ())


def starter_text() -> str:
    """The same as `config/upscaled.example.yml` (a test compares them)."""
    return resources.files("upscaled.config").joinpath("starter.yml").read_text(encoding="utf-8")
