from collections.abc import Callable
from pathlib import Path

from upscaled.job import Recipe
from upscaled.worker.messages import Begin, FromWorker, Resident
from upscaled.worker.residents import Residents


def residents(tmp_path: Path, report: Callable[[FromWorker], None]) -> Residents:
    begin = Begin(
        device="cpu",
        precision="auto",
        memory_bytes=None,
        models_dir=str(tmp_path),
        mark="here",
        learned={},
        access={},
    )
    return Residents(begin, report, cancelled=lambda: False)


def test_a_model_is_loaded_once_whatever_is_made_of_its_results(
    tmp_path: Path, animevideo_file: Path
) -> None:
    said: list[FromWorker] = []
    loaded = residents(tmp_path, said.append)
    recipes = [
        Recipe(str(animevideo_file)),
        Recipe(str(animevideo_file), format="webp", quality=80),
        Recipe(str(animevideo_file), scale=2),
    ]
    upscalers = [loaded.get(recipe) for recipe in recipes for _ in range(7)]
    assert all(upscaler is upscalers[0] for upscaler in upscalers)
    assert [type(each) for each in said].count(Resident) == 1
