"""Plain values that many tests start from."""

import struct
from pathlib import Path

from upscaled.delivery import Delivery
from upscaled.job import Arrival, Fingerprint, Order
from upscaled.outcomes import Done, Result
from upscaled.recipe import OutputOptions, Recipe

NOW = 1_800_000_000.0
INBOX = Path("/inbox")
RECIPE = Recipe("realesrgan-x4plus")
DELIVERY = Delivery(Path("/outbox"))


def arrival(name: str = "a.png", *, version: int = 1, reject_reason: str | None = None) -> Arrival:
    """Two versions of one name are two files in turn."""
    return Arrival(INBOX / name, Fingerprint(1, 2, 3, version), reject_reason)


def result(name: str = "a_4x.png", sha256: str = "f" * 64) -> Result:
    return Result(Path("/outbox") / name, sha256, 400, 300, 4)


def done(name: str = "a_4x.png", *, content: str = "c" * 64, notes: tuple[str, ...] = ()) -> Done:
    return Done(result(name), content, notes=notes)


def order(source: Path, folder: Path, *, job_id: int = 1, **fields: object) -> Order:
    """One attempt at a file as it is now; `fields` are those of Order and its parts."""
    picked = {
        kind: {key: value for key, value in fields.items() if key in kind.__dataclass_fields__}
        for kind in (Order, Recipe, OutputOptions, Delivery)
    }
    return Order(
        **{
            "job_id": job_id,
            "rule": "photos",
            "source": source,
            "relative": Path(),
            "fingerprint": None,
            "recipe": Recipe(
                **{"model": "nearest", "output": OutputOptions(**picked[OutputOptions])}
                | picked[Recipe]
            ),
            "delivery": Delivery(folder, **picked[Delivery]),
        }
        | picked[Order]
    )


ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
"""Extended attributes that hold access lists: acl(5)."""
_NOBODY = 0xFFFFFFFF


def access_list(*, user: int) -> bytes:
    """`user::rw-,user:N:rw-,group::r--,mask::rw-,other::---`, as the kernel keeps it."""
    owner, named, group, mask, other = 0x01, 0x02, 0x04, 0x10, 0x20
    rows = [(owner, 6, _NOBODY), (named, 6, user), (group, 4, _NOBODY), (mask, 6, _NOBODY)]
    rows.append((other, 0, _NOBODY))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)
