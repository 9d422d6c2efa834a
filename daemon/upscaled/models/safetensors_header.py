"""The first kilobytes of a safetensors file: enough to see that it is whole.

8 bytes of length, JSON (name → dtype, shape, offsets; `__metadata__`), then the tensors without
gaps. So the header says how long the file must be. https://huggingface.co/docs/safetensors
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

SOURCE_SHA256 = "source_sha256"
TENSORS_SHA256 = "tensors_sha256"
CONVERSION = "1"
"""Version of what is written by `conversion`; files of another one are made anew."""

LENGTH_BYTES = 8
# safetensors' own limit.
LARGEST_HEADER_BYTES = 100_000_000


def read_metadata(path: Path) -> Mapping[str, str] | None:
    """The metadata of a file that is as long as its header says; None: damaged or no such file.

    Raises:
        FileNotFoundError, PermissionError …: it cannot be read.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(LENGTH_BYTES)
        if len(prefix) < LENGTH_BYTES:
            return None
        (length,) = struct.unpack("<Q", prefix)
        if length > min(size_bytes, LARGEST_HEADER_BYTES):
            return None
        raw = file.read(length)
    try:
        header = json.loads(raw)
        metadata = header.pop("__metadata__", {})
        ends = [entry["data_offsets"][1] for entry in header.values()]
        whole = bool(ends) and size_bytes == LENGTH_BYTES + length + max(ends)
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    return metadata if whole and isinstance(metadata, dict) else None
