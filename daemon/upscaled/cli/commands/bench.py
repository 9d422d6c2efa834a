"""`upscaled bench`: how fast this machine upscales, and how fast others do."""

import json
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from upscaled.cli.completers import complete_models
from upscaled.cli.options import json_option, unread_config_option
from upscaled.dirs import find_dirs
from upscaled.errors import OutOfMemory
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
    "times_ours": "× ours",
}


def _peers(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, int | None], ...]:
    """`ncnn`, or `ncnn@128` for a picture of that edge."""
    found = []
    for value in values:
        name, _, size = value.partition("@")
        if name not in {*PEERS, "all"}:
            known = ", ".join(PEERS)
            raise click.BadParameter(f"{name!r} is not one of {known}, all", ctx, param)
        if "@" in value and not (size.isdecimal() and int(size) > 0):
            raise click.BadParameter(f"{size!r} is not a size: write {name}@256", ctx, param)
        found.append((name, int(size) if size else None))
    return tuple(found)


def _complete_peers(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in (*PEERS, "all") if name.startswith(incomplete)]


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
    multiple=True,
    metavar="NAME[@PX]",
    callback=_peers,
    shell_complete=_complete_peers,
    help=f"Another engine on the same weights: {', '.join(PEERS)} or all; with @PX on a picture of "
    "that edge. Needs the bench extra.",
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
    help="Size for --against entries that name none.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Number of runs for the median; what takes 45 s runs once.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--precision", default="auto", show_default=True, help="auto, fp32, fp16 or bf16.")
@click.option(
    "--compile", "compile_network", is_flag=True, help="Compile networks, as `compile: true` does."
)
@click.option("--markdown", "as_markdown", is_flag=True, help="A table for a document.")
@json_option
@unread_config_option
def bench_command(
    *,
    model: str,
    against: tuple[tuple[str, int | None], ...],
    sizes: tuple[int, ...],
    peer_sizes: tuple[int, ...],
    rounds: int,
    device: str,
    precision: str,
    compile_network: bool,
    as_markdown: bool,
    as_json: bool,
) -> None:
    """Measure the engine on this machine: speed, share of what the machine can do, memory.

    \b
    Example:
      upscaled bench --against openvino-bf16
    """
    from upscaled.engine.bench import measurement  # noqa: PLC0415 (torch takes seconds to load)
    from upscaled.engine.upscaler import open_upscaler  # noqa: PLC0415

    file = Library(find_dirs().models).fetch(model)
    upscaler = open_upscaler(file, device=device, precision=precision)
    pairs = _pairs(against, peer_sizes)
    try:
        matmul, measured = measurement.measure(
            file,
            sizes_px=sizes,
            against=pairs,
            device=device,
            precision=precision,
            rounds=rounds,
            compile_network=compile_network,
        )
    except MemoryError:
        largest_px = max([*sizes, *(size_px for _, size_px in pairs)])
        raise OutOfMemory(
            f"a picture of {largest_px}×{largest_px} px does not fit the memory there is",
            hint="Take a smaller one: upscaled bench --size 512",
        ) from None
    rows = [found.plain() for found in measured]
    report = {
        "schema_version": SCHEMA_VERSION,
        "machine": measurement.machine(),
        "model": model,
        "device": upscaler.device,
        "precision": upscaler.precision,
        "tiling": str(upscaler.exactness),
        "matmul_gflops": round(matmul, 1),
        "decibel_against_fp32": measurement.decibel_against_fp32(file, device, precision),
        "rows": rows,
    }
    if as_json:
        click.echo(json.dumps(report, indent=2))
    elif as_markdown:
        click.echo("\n".join(_markdown(report)))
    else:
        _show(report)


def _pairs(
    against: tuple[tuple[str, int | None], ...], sizes: tuple[int, ...]
) -> list[tuple[str, int]]:
    return [
        (peer, px)
        for name, size in against
        for peer in (PEERS if name == "all" else (name,))
        for px in ((size,) if size else sizes)
    ]


def _head(report: dict[str, Any]) -> tuple[str, str]:
    named = report["machine"]
    closeness = report["decibel_against_fp32"]
    return (
        f"{named['gpu'] or named['cpu']}, {named['threads']} threads, torch {named['torch']}",
        f"{report['model']}: {report['device']} {report['precision']}, {report['tiling']}, "
        f"matrix product {report['matmul_gflops']:.0f} GFLOP/s"
        + ("" if closeness is None else f", {closeness} dB against fp32"),
    )


def _cells(row: dict[str, Any]) -> list[str]:
    return ["" if row.get(key) is None else str(row[key]) for key in _COLUMNS]


def _markdown(report: dict[str, Any]) -> Iterator[str]:
    yield from (f"{line}  " for line in _head(report))
    yield ""
    yield f"| {' | '.join(_COLUMNS.values())} |"
    yield "|---|" + "--:|" * (len(_COLUMNS) - 1)
    for row in report["rows"]:
        cells = [row["engine"], str(row["size_px"]), row["error"]] if "error" in row else []
        yield f"| {' | '.join(cells or _cells(row))} |"


def _show(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    for line in _head(report):
        console.print(line, markup=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in _COLUMNS.values():
        table.add_column(title, justify="left" if title == "engine" else "right")
    for row in report["rows"]:
        if "error" in row:
            table.add_row(row["engine"], str(row["size_px"]), row["error"])
        else:
            table.add_row(*_cells(row))
    console.print(table)
