import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from upscaled.config.settings import Settings
from upscaled.dirs import find_dirs
from upscaled.engine.bench.measurement import photo, run
from upscaled.engine.tiling.block_run import BlockRun
from upscaled.recipe import OutputOptions, Recipe, StageRecipe
from upscaled.service.workers.factory import make_begin
from upscaled.store.jobs import Store
from upscaled.worker.messages import Begin, FromWorker, Resident, TilesLearned
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
        Recipe(str(animevideo_file), output=OutputOptions("webp", quality=80)),
        Recipe(str(animevideo_file), scale=2),
    ]
    upscalers = [loaded.get(recipe) for recipe in recipes for _ in range(7)]
    assert all(upscaler is upscalers[0] for upscaler in upscalers)
    assert [type(each) for each in said].count(Resident) == 1


def test_what_is_warmed_is_what_the_jobs_take(tmp_path: Path, animevideo_file: Path) -> None:
    name = str(animevideo_file)
    alone = Recipe(name, scale=2, tile_px=64, precision="fp32", output=OutputOptions("webp"))
    stages = (StageRecipe("image-upscale", "up", model=name), StageRecipe("image-sharpen", "s"))
    said: list[FromWorker] = []
    loaded = residents(tmp_path, said.append)
    warmed = [loaded.get(net) for recipe in (alone, Recipe(name, stages=stages, result="s"))
              for net in recipe.networks]  # fmt: skip
    assert warmed == [loaded.get(alone), loaded.get(Recipe(name))]
    assert [type(each) for each in said].count(Resident) == 2


def test_a_ceiling_learned_from_lack_of_memory_survives_a_restart_of_everything(
    tmp_path: Path, animevideo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the worker's own word, through the supervisor's database, to the next worker."""
    failures: list[int] = []
    whole = BlockRun._tile

    def tile(self: BlockRun, block: Any, source: Any, core: Any) -> Any:
        if core.area > 2000:
            failures.append(core.area)
            raise MemoryError
        return whole(self, block, source, core)

    monkeypatch.setattr(BlockRun, "_tile", tile)
    recipe = Recipe(str(animevideo_file))
    said: list[FromWorker] = []
    before = residents(tmp_path, said.append)
    expected = run(before.get(recipe), photo(120))
    before.report_learned(before.get(recipe))
    assert failures

    store = Store.open(tmp_path / "upscaled.db")
    for message in said:
        if isinstance(message, TilesLearned):
            for key, value in message.values.items():
                store.learn(key, value, 1.0)
    store.close()
    failures.clear()
    store = Store.open(tmp_path / "upscaled.db")
    begin = make_begin(Settings(rules=()), find_dirs(), "cpu", mark="next", learned=store.learned())
    store.close()
    after = Residents(begin, said.append, cancelled=lambda: False)
    assert np.array_equal(run(after.get(recipe), photo(120)), expected)
    assert not failures


def test_networks_of_one_architecture_learn_together(
    tmp_path: Path, animevideo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them tells what it knew when it was loaded over what another has learned since."""
    said: list[FromWorker] = []
    loaded = residents(tmp_path, said.append)
    first, second = Recipe(str(animevideo_file)), Recipe(str(animevideo_file), tile_px=40)
    upscalers = [loaded.get(first), loaded.get(second)]
    assert upscalers[0] is not upscalers[1]
    with monkeypatch.context() as patch:
        whole = BlockRun._tile

        def tile(self: BlockRun, block: Any, source: Any, core: Any) -> Any:
            if core.area > 2000:
                raise MemoryError
            return whole(self, block, source, core)

        patch.setattr(BlockRun, "_tile", tile)
        run(upscalers[0], photo(120))
    loaded.report_learned(upscalers[0])
    run(upscalers[1], photo(60))
    loaded.report_learned(upscalers[1])

    told = [json.loads(text) for each in said if isinstance(each, TilesLearned)
            for text in each.values.values()]  # fmt: skip
    assert told[0]["ceiling"]
    assert all(each["ceiling"] for each in told)
