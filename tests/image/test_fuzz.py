"""Mutated files of every format: they may be refused, and that is all.

In a child with a limit on its memory and a watch on its time, as the worker is one.
"""

import collections
import contextlib
import os
import random
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from upscaled.image.decode import readers

Make = Any
FORMATS = [
    *("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "JPEG2000", "PPM", "TGA", "ICO"),
    *("HEIF", "JXL", "PCX", "SGI", "DDS", "QOI", "MPO"),
]
MEMORY_BYTES = 1_500_000_000
"""Beyond what the libraries take: a picture of 4 MP, several times over, and threads' stacks."""
LONGEST_S = 60.0
REFUSALS = {"ok", "UnreadableImage", "TruncatedImage", "UnsupportedImage", "ImageTooLarge"}
SOAK_S = 600.0


class Child:
    """Answers for one file after the other; a new one takes the place of one that died."""

    def __init__(self) -> None:
        self.deaths = 0
        self._start()

    def _start(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fuzz.py")), str(MEMORY_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        )
        assert self._answer() == "ready"

    def ask(self, content: bytes) -> str:
        """The class of the error, `ok`, or `died`.

        Raises:
            TimeoutError: no answer: it hangs.
        """
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(b"%d\n" % len(content) + content)
            self._child.stdin.flush()
        except BrokenPipeError:
            pass
        said = self._answer()
        if said:
            return said
        self.end()
        self.deaths += 1
        self._start()
        return "died"

    def _answer(self) -> str:
        assert self._child.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            if not selector.select(LONGEST_S):
                raise TimeoutError(f"no answer within {LONGEST_S:g} s")
        return self._child.stdout.readline().decode().strip()

    def end(self) -> None:
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """One for all tests that no file may kill it in."""
    child = Child()
    yield child
    child.end()


@pytest.fixture
def mortal() -> Iterator[Child]:
    child = Child()
    yield child
    child.end()


def files(make: Make) -> dict[str, bytes]:
    """One of each format; all that can have metadata has some."""
    readers.known()  # so that Pillow writes HEIF and JPEG XL too
    image = Image.fromarray(make.smooth(32, 32))
    full = {"exif": make.exif(artist="Ada", orientation=6), "icc_profile": make.icc}
    made = {form: make.file(image, form, **full) for form in FORMATS}
    made["16-bit PNG"] = make.deep(make.pixels(bits=16), ".png")
    made["16-bit TIFF"] = make.deep(make.pixels(bits=16), ".tiff")
    made["palette"] = make.file(image.convert("P"), "PNG", transparency=3)
    made["animation"] = make.file(image, "GIF", save_all=True, append_images=[image.rotate(90)])
    made["cmyk"] = make.file(image.convert("CMYK"), "JPEG")
    return made


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Bytes changed, cut, doubled or filled, most often in the header."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        reach = len(changed) if rng.random() < 0.5 else min(len(changed), 128)
        at = rng.randrange(max(reach, 1))
        match rng.randrange(6):
            case 0 | 1:
                changed[at : at + 1] = bytes([rng.randrange(256)])
            case 2:
                changed[at : at + 1] = bytes(
                    byte ^ (1 << rng.randrange(8)) for byte in changed[at : at + 1]
                )
            case 3:
                changed[at : at + 4] = rng.choice(
                    (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff")
                )
            case 4:
                del changed[at : at + rng.choice((1, 4, 64, len(changed)))]
            case _:
                changed[at:at] = changed[at : at + rng.choice((1, 12, 200))]
    return bytes(changed)


def run(child: Child, make: Make, seed: int, *, rounds: int, until: float = float("inf")) -> Any:
    rng = random.Random(seed)  # noqa: S311 - which bytes are broken is no secret
    said = collections.Counter[str]()
    whole = files(make)
    for content in whole.values():
        assert child.ask(content) == "ok"
    for number in range(rounds):
        for name, content in whole.items():
            answer = child.ask(mutated(content, rng))
            said[answer] += 1
            assert answer in REFUSALS | {"died"}, (name, seed, number)
        if time.monotonic() > until:
            break
    return said


def test_a_mutated_file_is_refused_or_read(child: Child, make: Make) -> None:
    said = run(child, make, seed=1, rounds=12)
    assert said["ok"] > 10
    assert sum(said.values()) - said["ok"] > 50
    assert child.deaths == 0


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_ten_minutes_of_mutated_files(mortal: Child, make: Make) -> None:
    """A death is allowed: in the daemon it is the worker's, and counted. A hang is not."""
    seed = random.SystemRandom().randrange(10**9)
    said = run(mortal, make, seed, rounds=10**9, until=time.monotonic() + SOAK_S)
    assert sum(said.values()) > 1000
    assert mortal.deaths <= sum(said.values()) / 1000, (seed, said)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIF", "JXL", "GIF"])
def test_a_file_that_is_cut_off_at_any_kilobyte_may_be_arriving(
    child: Child, make: Make, form: str
) -> None:
    """TruncatedImage is tried again later; what is complete without its last bytes is read."""
    readers.known()
    noise = Image.fromarray(make.rng.integers(0, 256, (96, 96, 3), np.uint8))
    options = {"exif": make.exif(artist="Ada" * 300)} if form != "GIF" else {}
    content = make.file(noise, form, **options)
    said = {at: child.ask(content[:at]) for at in range(1024, len(content), 1024)}
    assert said
    assert set(said.values()) <= {"TruncatedImage", "ok"}, said
    assert list(said.values()).count("ok") <= 1, said


def test_a_bomb_of_a_few_kilobytes_is_refused_by_its_header(child: Child, make: Make) -> None:
    png = make.file(make.pixels(8, 8), "PNG")
    size = (65_500).to_bytes(4, "big") * 2
    header = make.chunk(b"IHDR", size + png[24:29])
    assert child.ask(png[:8] + header + png[33:]) == "ImageTooLarge"
