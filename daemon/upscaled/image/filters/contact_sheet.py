"""Before and after, side by side: a PNG, or one HTML file with a slider that needs nothing else."""

import base64
import html
import io
from typing import Any

from PIL import Image

from upscaled.image.filters.resize import shrink
from upscaled.image.picture import Picture

_EDGE_PX = 1600
"""Of each half: enough to judge by on a screen, and a few hundred kB."""
_GAP_PX = 8
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px system-ui, sans-serif; margin: 2rem; background: #222; color: #eee }}
figure {{ position: relative; margin: 0; width: fit-content; line-height: 0 }}
img {{ max-width: 100%; display: block }}
#after {{ position: absolute; inset: 0; clip-path: inset(0 0 0 50%) }}
input {{ width: 100%; margin: 1rem 0 }}
td {{ padding: 0 1.5rem 0 0 }}
</style>
<h1>{title}</h1>
<figure><img alt="before" src="{before}"><img alt="after" id="after" src="{after}"></figure>
<input type="range" min="0" max="100" value="50" aria-label="before and after"
 oninput="document.getElementById('after').style.clipPath='inset(0 0 0 '+this.value+'%)'">
<table>{rows}</table>
</html>
"""


def png_sheet(before: Picture, after: Picture) -> bytes:
    """Both at the size of the result (at most 1600 px), before on the left."""
    left, right = _pair(before, after)
    sheet = Image.new("RGB", (left.width + _GAP_PX + right.width, left.height), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + _GAP_PX, 0))
    return _bytes(sheet, "PNG")


def html_sheet(before: Picture, after: Picture, title: str, figures: dict[str, float]) -> bytes:
    left, right = (_data_uri(half) for half in _pair(before, after))
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{value:g}</td></tr>"
        for name, value in figures.items()
    )
    page = _PAGE.format(title=html.escape(title), before=left, after=right, rows=rows)
    return page.encode("utf-8", "replace")


def _pair(before: Picture, after: Picture) -> tuple[Any, Any]:
    factor = min(_EDGE_PX / max(after.width_px, after.height_px), 1.0)
    size = max(round(after.width_px * factor), 1), max(round(after.height_px * factor), 1)
    return _flat(before, size), _flat(after, size)


def _flat(picture: Picture, size: tuple[int, int]) -> Any:
    """8 bits, before white where it is transparent."""
    sized = shrink(picture, *size)
    colour = sized.colour if sized.colour.dtype.itemsize == 1 else (sized.colour >> 8)
    image = Image.fromarray(colour.astype("uint8"))
    if sized.alpha is None:
        return image
    alpha = sized.alpha if sized.alpha.dtype.itemsize == 1 else (sized.alpha >> 8)
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=Image.fromarray(alpha.astype("uint8")))
    return white


def _data_uri(image: Any) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(_bytes(image, "JPEG")).decode()


def _bytes(image: Any, form: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **({"quality": 90} if form == "JPEG" else {}))
    return stream.getvalue()
