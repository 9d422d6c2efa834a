"""Jobs in this process, one after the other: what `upscaled run` and in-process tests use."""

from collections.abc import Callable

from upscaled.errors import EnvironmentTrouble
from upscaled.job import Done, Order, Recipe
from upscaled.pipeline import run
from upscaled.pipeline.stage import Progress
from upscaled.worker.messages import Begin, FromWorker
from upscaled.worker.residents import Residents


def _never() -> bool:
    return False


def _ignore(_: FromWorker) -> None:
    pass


class Oneshot:
    def __init__(self, begin: Begin, report: Callable[[FromWorker], None] = _ignore) -> None:
        """`report` hears of models being fetched and loaded."""
        self._mark = begin.mark
        self._residents = Residents(begin, report, _never)

    def run(self, order: Order, progress: Progress) -> Done:
        """The whole job.

        Raises:
            UpscaledError: as the parts of `pipeline.run` say, what the disk says included.
        """
        ledger = run.NoLedger()
        try:
            prepared = run.prepare(order, ledger, mark=self._mark)
            if isinstance(prepared, Done):
                return prepared
            opened = run.open_stage(order, self._residents.get)
            upscaled = run.work(prepared, opened, progress=progress, cancelled=_never)
            return run.deliver(upscaled, ledger, mark=self._mark)
        except OSError as error:
            raise EnvironmentTrouble(
                f"cannot write to {order.delivery.folder}: {error.strerror or error}",
                hint="check its permissions and free space",
            ) from error

    def describe(self, recipe: Recipe) -> str:
        upscaler = self._residents.get(recipe)
        return (
            f"{upscaler.architecture} on {upscaler.device} in {upscaler.precision}, "
            f"{upscaler.exactness} tiles of {upscaler.tile_px} px"
        )
