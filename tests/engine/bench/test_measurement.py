import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from upscaled.cli.commands.bench import PEERS, _pairs, bench_command
from upscaled.engine.bench import measurement, peers
from upscaled.engine.bench.measurement import Measurement, measure, photo
from upscaled.engine.upscaler import open_upscaler
from upscaled.errors import OutOfMemory, UsageError


def test_rates_follow_from_the_seconds() -> None:
    row = Measurement("upscaled", 100, 0.5, 4, 2_000_000, product_gflops=160.0).plain()
    assert row["us_per_px"] == 50.0
    assert row["mp_in_per_s"] == 0.02
    assert row["mp_out_per_s"] == 0.32
    assert row["gflops"] == 80.0
    assert row["matmul_share"] == 0.5


def test_a_run_measures_ours_and_the_peers(animevideo_file: Path) -> None:
    gflops, rows = measure(
        animevideo_file,
        sizes_px=[32],
        against=[("spandrel", 32), ("py-real-esrgan", 16)],
        device="cpu",
        precision="fp32",
        rounds=1,
    )
    assert gflops > 0
    assert [(row.engine, row.size_px) for row in rows] == [
        ("upscaled", 32),
        ("spandrel", 32),
        ("py-real-esrgan", 16),
    ]
    assert rows[0].seconds > 0
    assert rows[1].times_ours == rows[1].seconds / rows[0].seconds
    assert rows[0].times_ours is None
    assert rows[2].error  # it runs RRDBNet only, or is not installed


def test_the_peer_gives_the_same_picture(
    animevideo_file: Path, upscale: Callable[..., np.ndarray]
) -> None:
    pixels = photo(40)
    ours = upscale(open_upscaler(animevideo_file, precision="fp32", device="cpu"), pixels)
    theirs = np.asarray(peers.open_peer("spandrel", animevideo_file, 40)(pixels))
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("kind", ["x4", "compact"])
def test_ncnn_gives_the_same_picture(
    kind: str, network_file: Callable[[str], Path], upscale: Callable[..., np.ndarray]
) -> None:
    pytest.importorskip("ncnn")
    pixels = photo(40)
    ours = upscale(open_upscaler(network_file(kind), precision="fp32", device="cpu"), pixels)
    theirs = np.asarray(peers.open_peer("ncnn", network_file(kind), 40)(pixels))
    assert np.abs(ours.astype(int) - theirs).mean() < 1


def test_a_peer_that_is_not_installed_says_what_to_install(
    animevideo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(UsageError) as caught:
        peers.open_peer("openvino-f32", animevideo_file, 32)
    assert "upscaled[bench]" in str(caught.value.hint)


def test_the_command_offers_each_peer_there_is() -> None:
    assert set(PEERS) == set(peers.PEERS)


def test_what_takes_long_is_measured_once(
    animevideo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "_PATIENCE_S", 0.0)
    _, (row,) = measure(
        animevideo_file, sizes_px=[24], against=[], device="cpu", precision="fp32", rounds=3
    )
    assert row.rounds == 1
    assert row.product_gflops > 0


@pytest.mark.parametrize(
    "given", [["--against", "openvino"], ["--against", "ncnn@"], ["--against", "ncnn@x"]]
)
def test_a_peer_with_a_slip_is_a_usage_error(given: list[str]) -> None:
    result = CliRunner().invoke(bench_command, given)
    assert result.exit_code == 2


def test_peers_have_sizes_of_their_own_or_those_of_all() -> None:
    pairs = _pairs((("ncnn", 64), ("spandrel", None)), (16, 32))
    assert pairs == [("ncnn", 64), ("spandrel", 16), ("spandrel", 32)]
    assert [name for name, _ in _pairs((("all", None),), (8,))] == list(PEERS)


@pytest.mark.parametrize("form", ["--json", "--markdown", None])
def test_the_command_prints_a_table_or_json(animevideo_file: Path, form: str | None) -> None:
    arguments = ["--model", str(animevideo_file), "--size", "24", "--rounds", "1"]
    arguments += ["--device", "cpu"] + ([form] if form else [])
    result = CliRunner().invoke(bench_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    if form == "--markdown":
        table = [line for line in result.stdout.splitlines() if line.startswith("|")]
        assert len(table) == 3
        assert len({line.count("|") for line in table}) == 1
    elif form == "--json":
        report = json.loads(result.stdout)
        assert report["tiling"] == "exact"
        assert report["rows"][0]["engine"] == "upscaled"
        assert report["machine"]["torch"]
    else:
        assert "upscaled" in result.stdout


def test_a_picture_that_does_not_fit_is_one_clear_error(
    animevideo_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack(_size_px: int) -> None:
        raise MemoryError

    monkeypatch.setattr(measurement, "photo", lack)
    result = CliRunner().invoke(
        bench_command, ["--model", str(animevideo_file), "--size", "100000"]
    )
    assert isinstance(result.exception, OutOfMemory)
    assert "100000×100000" in str(result.exception)


@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # spandrel's own call of SwinIR
def test_nothing_is_said_of_a_precision_that_fp32_stood_in_for(
    network_file: Callable[[str], Path],
) -> None:
    assert measurement.decibel_against_fp32(network_file("swinir"), "cpu", "auto") is None
