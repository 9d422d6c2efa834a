"""A database of version 0.1.0 is taken over with its queue, and its results are known."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.builders import DELIVERY, INBOX, NOW, RECIPE, arrival
from upscaled.delivery import Check, Delivery, Extra
from upscaled.job import Order
from upscaled.outcomes import Duplicate, Result
from upscaled.recipe import Fit, OutputOptions, Recipe, StageRecipe
from upscaled.store.jobs import Store

DUMP = Path(__file__).parents[1] / "data" / "database-0.1.0.sql"
DONE = 1


@pytest.fixture
def taken_over(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "upscaled.db"
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(DUMP.read_text(encoding="ascii"))
    store = Store.open(path)
    yield store
    store.close()


def claimed(store: Store, rule: str) -> Order:
    (ready,) = store.ready([rule], NOW)
    order = store.claim(ready, "me", NOW)
    assert order is not None
    return order


def test_what_waits_has_its_recipe_and_delivery(taken_over: Store) -> None:
    plain = claimed(taken_over, "photos")
    assert (plain.source, plain.recipe, plain.delivery) == (INBOX / "c.png", RECIPE, DELIVERY)
    full = claimed(taken_over, "scans")
    assert full.recipe == Recipe(
        "/models/caf\udce9.pth",
        scale=2.0,
        tile_px=64,
        precision="fp16",
        source_limit_mp=100.0,
        output=OutputOptions(
            "webp",
            quality=80,
            lossless=False,
            effort="best",
            chroma="4:2:0",
            metadata="strip",
            provenance=False,
            on_too_large="downscale",
            colour_fix=False,
        ),
    )
    assert full.delivery == Delivery(
        Path("/out/caf\udce9"),
        "{stem}.{ext}",
        "replace",
        "move",
        Path("/done"),
        "move",
        Path("/failed"),
        extras=(Extra("clean", Path("/clean"), "{stem}.{ext}", "png", 90),),
        check=Check(
            min_psnr_db=20.0,
            on_low_quality="review",
            review_folder=Path("/review"),
            sidecar=True,
            sheet="png",
        ),
        require_mount=True,
    )
    assert claimed(taken_over, "flows").recipe == Recipe(
        "m",
        stages=(
            StageRecipe("image-denoise", "clean", numbers=(("strength", 0.5),)),
            StageRecipe("image-upscale", "up", ("clean",), model="m", fit=Fit(long_edge_px=4000)),
        ),
        result="up",
    )


def test_a_result_is_known_by_todays_recipe(taken_over: Store) -> None:
    new = arrival("new.png")
    claimed(taken_over, "photos")
    taken_over.admit("photos", INBOX, [new], RECIPE, DELIVERY, now=NOW)
    order = claimed(taken_over, "photos")
    assert order.source == new.path
    assert taken_over.identify(order.job_id, "c" * 64) == Duplicate(
        DONE, Result(Path("/outbox/a_4x.png"), "f" * 64, 400, 300, 4.0)
    )


def test_files_that_ended_are_not_queued_again(taken_over: Store) -> None:
    ended = [arrival("a.png"), arrival("b.png")]
    assert taken_over.admit("photos", INBOX, ended, RECIPE, DELIVERY, now=NOW) == 0
