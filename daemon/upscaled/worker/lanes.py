"""Three lanes side by side: while one image is on the device, the next is decoded and the last
encoded. Each lane is a thread; the queues between them hold one image, which bounds memory.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Queue, SimpleQueue
from typing import TYPE_CHECKING

from upscaled.codec import printable
from upscaled.errors import DeviceLost, ExitCode, UnsupportedImage, UpscaledError
from upscaled.job import ImageInfo, MountIdentity, Order
from upscaled.outcomes import Done, Duplicate, Interrupted, Outcome, Result
from upscaled.pipeline import run
from upscaled.pipeline.outcome import is_foreseen, outcome_of
from upscaled.pipeline.protocols import Upscaler
from upscaled.recipe import Recipe
from upscaled.worker.decode_guard import DecodeGuard
from upscaled.worker.messages import (
    Announced,
    Committed,
    Described,
    DuplicateVerdict,
    Finished,
    FromWorker,
    GaveUp,
    Identified,
    MountFound,
    Progressed,
    Ruling,
    Unusable,
    Warm,
)
from upscaled.worker.residents import Residents

if TYPE_CHECKING:
    from upscaled.engine.upscaler import TorchUpscaler

_log = logging.getLogger(__name__)
_PROGRESS_EVERY_S = 0.2


class ChannelLedger:
    """Asks the supervisor and waits for its answer."""

    def __init__(self, send: Callable[[FromWorker], None]) -> None:
        self._send = send
        self._answers: dict[int, SimpleQueue[Ruling | DuplicateVerdict | Committed]] = {}

    def open(self, job_id: int) -> None:
        self._answers[job_id] = SimpleQueue()

    def close(self, job_id: int) -> None:
        self._answers.pop(job_id, None)

    def answer(self, message: Ruling | DuplicateVerdict | Committed) -> None:
        if (waiting := self._answers.get(message.job_id)) is not None:
            waiting.put(message)

    def describe(self, job_id: int, image_info: ImageInfo) -> str | None:
        self._send(Described(job_id, image_info))
        answer = self._answers[job_id].get()
        return answer.refusal if isinstance(answer, Ruling) else None

    def identify(self, job_id: int, content_sha256: str) -> Duplicate | None:
        self._send(Identified(job_id, content_sha256))
        answer = self._answers[job_id].get()
        if not isinstance(answer, DuplicateVerdict):
            return None
        if answer.own_result_of is not None:
            raise UnsupportedImage(
                f"it is a result of this very rule (job {answer.own_result_of}), or made from one",
                hint=f"upscaled show {answer.own_result_of}; "
                "to upscale it again all the same: upscaled run FILE",
            )
        return answer.twin

    def announce(self, job_id: int, result: Result) -> None:
        self._send(Announced(job_id, result))
        self._answers[job_id].get()

    def found(self, folder: Path, mount_identity: MountIdentity) -> None:
        self._send(MountFound(folder, mount_identity))


class Lanes:
    def __init__(
        self,
        residents: Residents,
        send: Callable[[FromWorker], None],
        stopping: threading.Event,
        *,
        mark: str,
        ledger: ChannelLedger | None = None,
        guard: DecodeGuard | None = None,
    ) -> None:
        """`ledger`: instead of the supervisor's, where there is none.

        `guard` limits what decoding may take; it looks whenever it is asked to.
        """
        self._guard = guard or DecodeGuard(_log.critical)
        self._residents = residents
        self._send = send
        self._mark = mark
        self.ledger = ledger or ChannelLedger(send)
        self.stopping = stopping
        self._orders: SimpleQueue[Order | Warm | None] = SimpleQueue()
        self._prepared: Queue[run.Prepared | Warm | None] = Queue(maxsize=1)
        self._upscaled: Queue[run.Upscaled | None] = Queue(maxsize=1)
        self._threads = [
            threading.Thread(target=lane, name=name, daemon=True)
            for name, lane in [
                ("decode", self._decode_lane),
                ("device", self._device_lane),
                ("encode", self._encode_lane),
            ]
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, order: Order | Warm) -> None:
        if isinstance(order, Order):
            self.ledger.open(order.job_id)
        self._orders.put(order)

    def stop(self) -> None:
        """Once `stopping` is set: every job is answered, the threads have ended."""
        self._orders.put(None)
        for thread in self._threads:
            thread.join()

    def _decode_lane(self) -> None:
        while (order := self._orders.get()) is not None:
            if isinstance(order, Warm):
                self._prepared.put(order)
            elif self.stopping.is_set():
                self._finish(order, Interrupted())
            else:
                self._attempt(order, partial(self._prepare, order))
        self._prepared.put(None)

    def _device_lane(self) -> None:
        while (prepared := self._prepared.get()) is not None:
            if isinstance(prepared, Warm):
                with self._guard.beside():
                    self._warm(prepared)
            elif self.stopping.is_set():
                self._finish(prepared.order, Interrupted())
            else:
                with self._guard.beside():
                    self._attempt(prepared.order, partial(self._upscale, prepared))
        self._upscaled.put(None)

    def _encode_lane(self) -> None:
        # Goes on while stopping: what is left to do is short, what was done is not.
        while (upscaled := self._upscaled.get()) is not None:
            with self._guard.beside():
                self._attempt(upscaled.prepared.order, partial(self._deliver, upscaled))

    def _prepare(self, order: Order) -> None:
        self._say(order, "decode", 0, 1)
        prepared = run.prepare(order, self.ledger, mark=self._mark, guard=self._guard)
        if isinstance(prepared, Done):
            self._finish(order, prepared)
        else:
            self._say(order, "ready", 0, 1)
            self._prepared.put(prepared)

    def _upscale(self, prepared: run.Prepared) -> None:
        order = prepared.order
        said = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal said
            now = time.monotonic()
            if done == total or now - said >= _PROGRESS_EVERY_S:
                said = now
                self._say(order, opened.side.current or "upscale", done, total, result_px)

        self._say(order, "load", 0, 1)
        networks: list[TorchUpscaler] = []

        def loaded(recipe: Recipe) -> Upscaler:
            networks.append(self._residents.get(recipe))
            return networks[-1]

        opened = run.open_stage(order, loaded)
        picture = prepared.picture
        plan = opened.stage.plan(picture.width_px, picture.height_px)
        result_px = plan.width_px * plan.height_px
        try:
            upscaled = run.work(
                prepared,
                opened,
                progress=progress,
                cancelled=self.stopping.is_set,
                guard=self._guard,
            )
        except DeviceLost:
            self._report_learned(networks)  # so that the next process does not do the same again
            raise
        self._report_learned(networks)
        self._upscaled.put(upscaled)

    def _report_learned(self, networks: "list[TorchUpscaler]") -> None:
        for network in networks:
            self._residents.report_learned(network)

    def _deliver(self, upscaled: run.Upscaled) -> None:
        order = upscaled.prepared.order
        self._say(order, "encode", 0, 1)
        self._finish(order, run.deliver(upscaled, self.ledger, mark=self._mark))

    def _warm(self, wish: Warm) -> None:
        try:
            self._residents.get(Recipe(wish.model, tile_px=wish.tile_px, precision=wish.precision))
        except DeviceLost as error:
            self._give_up(error)
        except UpscaledError as error:
            self._send(Unusable(wish.model, error.message, error.hint))
        except Exception as error:  # noqa: BLE001 (the lane has to live for the jobs)
            _log.exception("a bug, met with the model %s", wish.model)
            self._send(Unusable(wish.model, f"{type(error).__name__}: {error}"))

    def _attempt(self, order: Order, step: Callable[[], None]) -> None:
        """Whatever happens in `step`, the job gets an outcome."""
        try:
            step()
        except DeviceLost as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001 (one image must not end the lane)
            if not is_foreseen(error):
                _log.exception("a bug, met with %s", printable(str(order.source)))
            self._finish(order, outcome_of(error))

    def _finish(self, order: Order, outcome: Outcome) -> None:
        self.ledger.close(order.job_id)
        self._send(Finished(order.job_id, outcome))

    def _say(self, order: Order, stage: str, done: int, total: int, result_px: int = 0) -> None:
        self._send(Progressed(order.job_id, stage, done, total, result_px))

    def _give_up(self, error: DeviceLost) -> None:
        # A poisoned CUDA context, or a thread without kernels, is for the process's life.
        reason = f"{error.message} ({error.hint})" if error.hint else error.message
        _log.error("the device is lost: %s", reason)
        self._send(GaveUp(reason))
        os._exit(ExitCode.TEMPFAIL)
