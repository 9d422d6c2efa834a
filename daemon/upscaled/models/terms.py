"""Under which licence a model comes: said before the first download."""

from upscaled.errors import UpscaledError
from upscaled.models.model_reference import resolve

UNKNOWN = "look for its licence where it comes from"


def terms(ref: str) -> str:
    """For the end of a sentence; of a model that is not in the catalogue nothing is known."""
    try:
        model = resolve(ref).model
    except UpscaledError:
        return UNKNOWN
    return f"licence {model.licence}, {model.licence_url}" if model else UNKNOWN
