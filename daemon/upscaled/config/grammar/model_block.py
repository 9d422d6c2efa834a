"""The grammar of `model:`, where a network's weights come from."""

from typing import Annotated

from pydantic import Discriminator, Tag

from upscaled.config.grammar.block import Block
from upscaled.config.grammar.values import Anything, Provider, Repository, Sha256, Text, WholeScale


class ModelSource(Block):
    """Where a model comes from; `provider` may be left out where the other keys tell it."""

    provider: Provider | None = None
    repository: Repository | None = None
    filename: Text | None = None
    revision: Text | None = None
    token: str | None = None
    cache_dir: Text | None = None
    local_files_only: bool | None = None
    allow_patterns: Anything = None
    name: Text | None = None
    path: Text | None = None
    url: Anything = None
    sha256: Sha256 | None = None
    scale: WholeScale | None = None
    """What the file gives; one of another scale is refused. (A component's own scale is a wish.)"""


def _kind_of_model(value: object) -> str:
    return "<source>" if isinstance(value, dict) else "<name>"


Model = Annotated[
    Annotated[ModelSource, Tag("<source>")] | Annotated[Text, Tag("<name>")],
    Discriminator(_kind_of_model),
]
