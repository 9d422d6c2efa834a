"""The child of `test_fuzz`: decodes and encodes what it is sent, inside limits of its own.

Each line on stdin is a length, then so many bytes; each answer a line: the error's class, or `ok`.
"""

import os
import resource
import sys
from pathlib import Path

from upscaled.errors import UpscaledError
from upscaled.image.decode.decode import decode
from upscaled.image.encode.encode import encode

MOST_PX = 4_000_000


def main(memory_bytes: int) -> None:
    stdin = sys.stdin.buffer
    # Libraries are loaded, and have taken what they take.
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    taken = pages * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (taken + memory_bytes,) * 2)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := stdin.readline():
        content = stdin.read(int(line))
        try:
            encode(decode(content, MOST_PX), "png")
            said = "ok"
        except UpscaledError as error:
            said = type(error).__name__
        except MemoryError:
            said = "MemoryError"
        sys.stdout.write(said + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
