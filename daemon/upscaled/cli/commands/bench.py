"""`upscaled bench`: how fast this machine upscales, and how fast others do."""

import json
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from upscaled.cli.completers import complete_models
from upscaled.cli.options import json_option, unread_config_option
from upscaled.dirs import find_dirs
from upscaled.models.library import Library

SCHEMA_VERSION = 1
PEERS = ("spandrel", "py-real-esrgan", "ncnn", "openvino-f32", "openvino-bf16")
_DEFAULT_MODEL = "realesrgan-x4plus"
_COLUMNS = {
    "engine": "engine",
    "size_px": "px",
    "seconds": "s",
    "us_per_px": "µs/px",
    "mp_in_per_s": "MP/s in",
    "mp_out_per_s": "out",
    "gflops": "GFLOP/s",
    "matmul_share": "of matmul",
    "tile_px": "tile",
    "peak_mb": "peak MB",
}


@click.command("bench", short_help="Measure speed and memory.")
@click.option(
    "--model",
    default=_DEFAULT_MODEL,
    show_default=True,
    shell_complete=complete_models,
    help="Name or file.",
)
@click.option(
    "--against",
    type=click.Choice([*PEERS, "all"]),
    multiple=True,
    help="Another engine on the same weights; needs the bench extra.",
)
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    default=(256, 512),
    show_default=True,
    help="Edge of the square picture, in pixels.",
)
@click.option(
    "--peer-size",
    "peer_sizes",
    type=click.IntRange(1),
    multiple=True,
    default=(256,),
    show_default=True,
    help="The same for --against.",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Median of these."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--precision", default="auto", show_default=True, help="auto, fp32, fp16 or bf16.")
@json_option
@unread_config_option
def bench_command(
    *,
    model: str,
    against: tuple[str, ...],
    sizes: tuple[int, ...],
    peer_sizes: tuple[int, ...],
    rounds: int,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Measure the engine on this machine: speed, share of what the machine can do, memory.

    \b
    Example:
      upscaled bench --against openvino-bf16
    """
    from upscaled.engine import bench  # noqa: PLC0415 (torch takes seconds to load)
    from upscaled.engine.upscaler import open_upscaler  # noqa: PLC0415

    file = Library(find_dirs().models).fetch(model)
    upscaler = open_upscaler(file, device=device, precision=precision)
    matmul, measured = bench.measure(
        file,
        sizes_px=sizes,
        against=PEERS if "all" in against else against,
        peer_sizes_px=peer_sizes,
        device=device,
        precision=precision,
        rounds=rounds,
    )
    rows = [found.plain() for found in measured]
    report = {
        "schema_version": SCHEMA_VERSION,
        "machine": bench.machine(),
        "model": model,
        "device": upscaler.device,
        "precision": upscaler.precision,
        "tiling": str(upscaler.exactness),
        "matmul_gflops": round(matmul, 1),
        "decibel_against_fp32": bench.decibel_against_fp32(file, device, precision),
        "rows": rows,
    }
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _show(report)


def _show(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    named = report["machine"]
    console.print(
        f"{named['gpu'] or named['cpu']}, {named['threads']} threads, torch {named['torch']}",
        markup=False,
    )
    closeness = report["decibel_against_fp32"]
    console.print(
        f"{report['model']}: {report['device']} {report['precision']}, {report['tiling']}, "
        f"matrix product {report['matmul_gflops']:.0f} GFLOP/s"
        + ("" if closeness is None else f", {closeness} dB against fp32"),
        markup=False,
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in _COLUMNS.values():
        table.add_column(title, justify="left" if title == "engine" else "right")
    for row in report["rows"]:
        if "error" in row:
            table.add_row(row["engine"], str(row["size_px"]), row["error"])
        else:
            table.add_row(*("" if row[key] is None else str(row[key]) for key in _COLUMNS))
    console.print(table)
