"""Licences are told before the first download."""

import pytest

from upscaled.models.terms import UNKNOWN, terms


@pytest.mark.parametrize("ref", ["realesrgan-x4plus", "realesr-animevideov3"])
def test_the_catalogue_knows_licences(ref: str) -> None:
    assert terms(ref).startswith("licence BSD-3-Clause, https://")


@pytest.mark.parametrize("ref", ["huggingface:owner/name", "no such model", ""])
def test_of_others_nothing_is_claimed(ref: str) -> None:
    assert terms(ref) == UNKNOWN
