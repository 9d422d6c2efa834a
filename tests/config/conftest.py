"""Configurations written where a test is, loaded as the program loads them."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upscaled.config.load import load_config
from upscaled.config.settings import Settings

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """`load(text, more_text, …, environment={…})`: each text is a file, laid over the last one."""

    def loaded(*texts: str, environment: dict[str, str] | None = None, **how: Any) -> Settings:
        files = []
        for number, text in enumerate(texts):
            file = tmp_path / ("upscaled.yml" if number == 0 else f"more-{number}.yml")
            file.write_text(textwrap.dedent(text), encoding="utf-8")
            files.append(file)
        return load_config(files, environment={"HOME": "/home/me", **(environment or {})}, **how)

    return loaded
