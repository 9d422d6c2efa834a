"""How much of the engine's own throughput comes out of the real daemon.

    PYTHONPATH=tests python tests/bench/daemon_throughput.py [--model NAME] [--images 20]
        [--size 256] [--rounds 1]

The same pictures go through the engine in this process and through the daemon, in turns, on a
machine that should do nothing else: what others take changes by the second. The daemon's time runs
from the claim of the first picture to the end of the last one, as its own ledger has them. It is
given PNG and gives PNG, with all its defaults.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import numpy as np

from support.daemon_fixtures import Daemon, crop
from support.model_fixtures import CACHE
from upscaled.engine.bench import measurement
from upscaled.engine.upscaler import TorchUpscaler, open_upscaler
from upscaled.models.library import Library
from upscaled.store.views import JobView


def main() -> None:
    given = _arguments()
    file = Library(CACHE / "models").fetch(given.model)
    engine = open_upscaler(file)
    pictures = [crop(31 * n, 17 * n, (given.size, given.size)) for n in range(given.images)]
    arrays = [np.asarray(picture) for picture in pictures]
    measurement.run(engine, arrays[0])
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder), CACHE / "models")
        daemon.configure(components={"net": {"model": given.model}})
        daemon.start()
        try:
            daemon.wait_until(daemon.is_ready, "it is ready")
            daemon.wait_done(daemon.drop("first.png", pictures[0]))
            before = [_seconds_of_engine(engine, arrays)]
            through = []
            for number in range(given.rounds):
                sources = [
                    daemon.drop(f"{number}-{index:02d}.png", picture.rotate(90 * number + 90))
                    for index, picture in enumerate(pictures)
                ]
                jobs = _ended(daemon, sources)
                through.append(
                    max(job.finished_at or 0.0 for job in jobs)
                    - min(job.claimed_at or 0.0 for job in jobs)
                )
                before.append(_seconds_of_engine(engine, arrays))
                _print_parts([job.timings or {} for job in jobs])
            loads = daemon.log.count("is ready on")
        finally:
            daemon.end()
    # Each of the daemon's rounds stands between two of the engine's.
    ratios = [
        (one + other) / 2 / daemons
        for one, other, daemons in zip(before, before[1:], through, strict=False)
    ]
    print(f"{given.model}, {given.images} pictures of {given.size}×{given.size} px")
    print(f"engine {_listed(before)} s, daemon {_listed(through)} s")
    print(f"ratio {median(ratios):.3f} ({_listed(ratios)}); the model was loaded {loads} times")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="realesrgan-x4plus")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


def _seconds_of_engine(engine: TorchUpscaler, arrays: Sequence[np.ndarray]) -> float:
    started = perf_counter()
    for pixels in arrays:
        measurement.run(engine, pixels)
    return perf_counter() - started


def _ended(daemon: Daemon, sources: Sequence[Path]) -> list[JobView]:
    """Asked for once in a second: whoever asks takes of the processors that are measured."""
    while any(not jobs or jobs[-1].finished_at is None for jobs in map(daemon.jobs, sources)):
        sleep(1)
    return daemon.wait_done(*sources)


def _print_parts(timings: Sequence[dict[str, float]]) -> None:
    keys = sorted({key for each in timings for key in each})
    print(
        "median of a job:", {key: round(median(t.get(key, 0) for t in timings), 3) for key in keys}
    )


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    main()
