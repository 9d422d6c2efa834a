"""What supervisor and worker say to each other: one JSON object a line, tagged by its class.

The supervisor imports this, so nothing heavy may be imported here.
"""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cattrs
from cattrs.strategies import configure_tagged_union

from upscaled.codec import MALFORMED, make_converter
from upscaled.job import ImageInfo, MountIdentity, Order
from upscaled.outcomes import Duplicate, Outcome, Result

MAX_LINE_BYTES = 1 << 20

# Supervisor to worker


@dataclass(frozen=True, slots=True)
class Access:
    """How a model may be fetched, and what is said of it."""

    token: str | None = field(default=None, repr=False)
    cache_folder: Path | None = None
    scale: int | None = None
    """What the file is said to give."""


@dataclass(frozen=True, slots=True)
class Begin:
    """First of all: how to work."""

    device: str
    precision: str
    memory_bytes: int | None
    models_dir: str
    mark: str
    """Stands in the names of temporary files, so that only their owner sweeps them."""
    learned: dict[str, str]
    access: dict[str, Access]
    """By `Recipe.model`, only for models with something to say."""
    compile_networks: bool = False


@dataclass(frozen=True, slots=True)
class Warm:
    """Fetch and load this model now, so that the first image does not wait for it."""

    model: str
    tile_px: int | None = None
    precision: str = "auto"
    """As the recipe has them: with others it would be loaded a second time."""


@dataclass(frozen=True, slots=True)
class Run:
    order: Order


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer to `Described`."""

    job_id: int
    refusal: str | None
    """Why the rule does not take it; None: go on."""


@dataclass(frozen=True, slots=True)
class DuplicateVerdict:
    """The answer to `Identified`."""

    job_id: int
    twin: Duplicate | None
    own_result_of: int | None = None
    """The job of the very same rule that made these bytes, or what they were made from."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer to `Announced`."""

    job_id: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End at the next tile; each job in flight is answered by `Interrupted`."""


# Worker to supervisor


@dataclass(frozen=True, slots=True)
class Fetching:
    """A model is being fetched; `total_bytes` where it is known."""

    model: str
    stage: str
    done_bytes: int
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Resident:
    """A model is loaded and ready."""

    model: str
    architecture: str
    scale: int
    device: str
    precision: str
    exactness: str
    load_s: float


@dataclass(frozen=True, slots=True)
class Unusable:
    """A model that was to be warmed cannot be used."""

    model: str
    reason: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """What the header says, where `Order.probe` asks for it."""

    job_id: int
    image_info: ImageInfo


@dataclass(frozen=True, slots=True)
class Identified:
    job_id: int
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Announced:
    job_id: int
    result: Result


@dataclass(frozen=True, slots=True)
class Progressed:
    job_id: int
    stage: str
    done: int
    total: int
    result_px: int = 0
    """Pixels of the result, once they are known."""


@dataclass(frozen=True, slots=True)
class Finished:
    job_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TilesLearned:
    """Figures measured on this device, to be kept by the supervisor."""

    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class MountFound:
    """What an output folder lies on, to be kept by the supervisor."""

    folder: Path
    mount_identity: MountIdentity


@dataclass(frozen=True, slots=True)
class GaveUp:
    """The last word of a worker that has to end, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Beat:
    """Sent each second: the worker's threads are alive."""

    memory_bytes: int
    """What the worker has of the device's memory; before a model is loaded, its resident size."""
    tile_px: int | None = None
    free_bytes: int | None = None
    """What it could still take."""
    compilation: str | None = None
    """What became of `Begin.compile_networks`; None: it was not asked for."""


ToWorker = Begin | Warm | Run | Ruling | DuplicateVerdict | Committed | Stop
FromWorker = (
    Described
    | Fetching
    | Resident
    | Unusable
    | Identified
    | Announced
    | Progressed
    | Finished
    | TilesLearned
    | MountFound
    | GaveUp
    | Beat
)


def _make_converter() -> cattrs.Converter:
    converter = make_converter()
    for union in (ToWorker, FromWorker):
        configure_tagged_union(union, converter, tag_name="say")
    return converter


_converter = _make_converter()


class Channel:
    """One end of the socket. Sending is safe from any thread; receiving is one thread's."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()

    def send(self, message: ToWorker | FromWorker) -> None:
        """Raises OSError where the other end is gone."""
        union: Any = ToWorker if isinstance(message, ToWorker) else FromWorker
        line = json.dumps(_converter.unstructure(message, unstructure_as=union)).encode() + b"\n"
        with self._sending:
            self._socket.sendall(line)

    def receive(self, union: Any) -> Iterator[Any]:
        """Messages of `ToWorker` or `FromWorker`, until the other end is gone.

        Raises:
            ValueError: what came is none; the other end is not to be trusted any more.
        """
        with self._socket.makefile("rb") as lines:
            while line := lines.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n"):
                    # Cut off by the peer's death, or far too long.
                    if len(line) < MAX_LINE_BYTES:
                        return
                    raise ValueError("a message is longer than a megabyte")
                try:
                    yield _converter.structure(json.loads(line), union)
                except MALFORMED as error:
                    raise ValueError(f"not a message: {error}") from error

    def close(self) -> None:
        self._socket.close()
