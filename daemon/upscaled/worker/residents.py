"""The models that are loaded. Only the device's thread comes here."""

import copy
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from upscaled.engine.tiling.tuning import Lessons
from upscaled.errors import DeviceError
from upscaled.models.download.hub import HubAccess
from upscaled.models.library import Library
from upscaled.recipe import Recipe
from upscaled.worker.messages import Access, Begin, Fetching, FromWorker, Resident, TilesLearned

if TYPE_CHECKING:
    from upscaled.engine.upscaler import TorchUpscaler

_MOST_RESIDENT = 3
"""One rule's models (a workflow may have two), and the next one's while rules take turns."""


class Residents:
    def __init__(
        self, begin: Begin, report: Callable[[FromWorker], None], cancelled: Callable[[], bool]
    ) -> None:
        self._begin = begin
        self._report = report
        self._cancelled = cancelled
        self._loaded: OrderedDict[Recipe, TorchUpscaler] = OrderedDict()
        self._last: TorchUpscaler | None = None
        self._learned = {key: json.loads(text) for key, text in begin.learned.items()}
        self._lessons = Lessons(dict(self._learned))

    @property
    def tile_px(self) -> int | None:
        """Of the model that was used last; asked by another thread."""
        return self._last.tile_px if self._last else None

    @property
    def compilation(self) -> str | None:
        """The same, of what torch compiled of it."""
        return self._last.compilation if self._last else None

    @property
    def memory_bytes(self) -> tuple[int, int] | None:
        """Used and free on the device, once it is in use; asked by another thread."""
        upscaler = self._last
        if upscaler is None:
            return None
        try:
            return upscaler.memory_bytes()
        except RuntimeError:  # torch's word for a device that is in a bad way
            return None

    def get(self, recipe: Recipe) -> "TorchUpscaler":
        """The recipe's model, fetched and loaded where it has to be.

        Raises:
            ModelError: it cannot be had, or cannot be used.
            DeviceError: the device cannot be used.
        """
        # Whatever size a rule wants, the network is one.
        key = Recipe(recipe.model, tile_px=recipe.tile_px, precision=recipe.precision)
        if key not in self._loaded:
            while len(self._loaded) >= _MOST_RESIDENT:
                self._loaded.popitem(last=False)
            self._loaded[key] = self._load(key)
        self._loaded.move_to_end(key)
        self._last = self._loaded[key]
        return self._last

    def _library(self, model: str) -> Library:
        access = self._begin.access.get(model, Access())
        hub = HubAccess(token=access.token, cache_folder=access.cache_folder)
        return Library(Path(self._begin.models_dir), hub=hub)

    def report_learned(self, upscaler: "TorchUpscaler") -> None:
        """Tell the supervisor what the last picture taught, if it is new."""
        found = upscaler.learned()
        news = {key: value for key, value in found.items() if self._learned.get(key) != value}
        if news:
            self._learned |= copy.deepcopy(news)
            self._report(TilesLearned({key: json.dumps(value) for key, value in news.items()}))

    def _load(self, recipe: Recipe) -> "TorchUpscaler":
        # Torch takes seconds to import: the decoder starts meanwhile.
        try:
            from upscaled.engine.upscaler import open_upscaler  # noqa: PLC0415 (see above)
        except ImportError as error:
            raise DeviceError(
                f"PyTorch cannot be loaded: {error}",
                hint="install upscaled again, in an environment of its own: pipx install upscaled",
            ) from error

        started = time.monotonic()
        path = self._library(recipe.model).fetch(
            recipe.model,
            on_progress=lambda step: self._report(
                Fetching(step.model, step.stage, step.done_bytes, step.total_bytes)
            ),
            cancelled=self._cancelled,
        )
        precision = self._begin.precision if recipe.precision == "auto" else recipe.precision
        upscaler = open_upscaler(
            path,
            device=self._begin.device,
            precision=precision,
            memory_bytes=self._begin.memory_bytes,
            tile_px=recipe.tile_px,
            expected_scale=self._begin.access.get(recipe.model, Access()).scale,
            compile_network=self._begin.compile_networks,
            learned=self._lessons,
        )
        self._report(
            Resident(
                model=recipe.model,
                architecture=upscaler.architecture,
                scale=upscaler.scale,
                device=str(upscaler.device),
                precision=upscaler.precision,
                exactness=upscaler.exactness,
                load_s=time.monotonic() - started,
            )
        )
        return upscaler
