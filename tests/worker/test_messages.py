"""What the two processes say comes through as it was; nonsense is nonsense and no more."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.builders import done, order, result
from upscaled.job import Fingerprint, ImageInfo, MountIdentity
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Duplicate,
    Failed,
    Interrupted,
    Retry,
    Snoozed,
    Vanished,
)
from upscaled.worker import messages
from upscaled.worker.messages import (
    MAX_LINE_BYTES,
    Access,
    Announced,
    Beat,
    Begin,
    Channel,
    Committed,
    Described,
    DuplicateVerdict,
    Fetching,
    Finished,
    FromWorker,
    GaveUp,
    Identified,
    MountFound,
    Progressed,
    Resident,
    Ruling,
    Run,
    Stop,
    TilesLearned,
    ToWorker,
    Unusable,
    Warm,
)

ODD = "caf\udce9\n\udcff 日本 \U0001f600 \"'\\"
ODD_PATH = Path("/in box") / ODD.replace("/", "_")
ORDER = order(
    ODD_PATH,
    ODD_PATH.parent,
    relative=Path(ODD),
    fingerprint=Fingerprint(2**64 - 1, 2**64 - 1, 0, -1),
    quality=3,
    success_folder=ODD_PATH,
)

TO_WORKER = [
    Begin("cpu", "auto", None, "/models", "mark", {"a": "{}"}, {"m": Access(ODD, ODD_PATH)}),
    Begin("cuda:1", "fp16", 2**40, ODD, "mark", {}, {}),
    Warm(ODD),
    Run(ORDER),
    Ruling(1, None),
    Ruling(1, "it is gray"),
    DuplicateVerdict(1, None),
    DuplicateVerdict(1, Duplicate(2, result(ODD))),
    Committed(1),
    Stop(),
]
FROM_WORKER = [
    Fetching("m", "fetch", 1, None),
    Fetching("m", "fetch", 1, 2),
    Resident("m", "ESRGAN", 4, "cpu", "bf16", "exact", 0.25),
    Unusable("m", ODD),
    Unusable("m", "reason", ODD),
    Described(1, ImageInfo(4000, 3000, "jpeg", gray=False, alpha=True, animated=False)),
    Identified(1, "c" * 64),
    Announced(1, result(ODD)),
    Progressed(1, "upscale", 3, 9),
    Finished(1, done(ODD, notes=(ODD, "b"))),
    Finished(1, Failed(ODD, "hint")),
    Finished(1, Retry(ODD)),
    Finished(1, Snoozed(ODD, whole_rule=False)),
    Finished(1, Interrupted()),
    Finished(1, Changed()),
    Finished(1, Vanished()),
    Finished(1, Cancelled(ODD)),
    TilesLearned({"a": "1"}),
    MountFound(Path("/caf\udce9"), MountIdentity(Path("/media/caf\udce9"), 1, 2)),
    Beat(2**40),
    Beat(0, 128),
    GaveUp(ODD),
]


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, other = (Channel(sock) for sock in socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_no_kind_of_message_is_forgotten_here() -> None:
    assert {type(message) for message in TO_WORKER} == set(get_args(ToWorker))
    assert {type(message) for message in FROM_WORKER} == set(get_args(FromWorker))


@pytest.mark.parametrize(("union", "said"), [(ToWorker, TO_WORKER), (FromWorker, FROM_WORKER)])
def test_every_message_comes_through_as_it_was(
    ends: tuple[Channel, Channel], union: Any, said: list[Any]
) -> None:
    here, there = ends
    for message in said:
        here.send(message)
    here.close()
    heard = list(there.receive(union))
    assert heard == said
    assert list(map(type, heard)) == list(map(type, said))


def test_many_threads_may_speak_at_once(ends: tuple[Channel, Channel]) -> None:
    here, there = ends

    def speak(job_id: int) -> None:
        for n in range(50):
            here.send(Progressed(job_id, "x" * 500, n, 50))

    threads = [threading.Thread(target=speak, args=(job_id,)) for job_id in range(8)]
    for thread in threads:
        thread.start()
    heard: list[Any] = []
    for message in there.receive(FromWorker):
        heard.append(message)
        if len(heard) == 400:
            break
    for thread in threads:
        thread.join()
    for job_id in range(8):
        assert [m.done for m in heard if m.job_id == job_id] == list(range(50))


def test_speaking_to_the_dead_is_an_oserror(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    there.close()
    with pytest.raises(OSError, match=r"."):
        here.send(Stop())


def hear(raw: bytes, union: Any = FromWorker) -> list[Any]:
    """What a receiver makes of these bytes, after which the sender is gone."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=_send, args=(ours, raw))
        sender.start()
        try:
            return list(Channel(theirs).receive(union))
        finally:
            theirs.close()
            sender.join()


def _send(sock: socket.socket, raw: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.sendall(raw)
    sock.close()


def test_a_message_that_death_cut_off_is_dropped() -> None:
    assert hear(b'{"say": "Beat", "memory_bytes": 1}\n{"say": "Be') == [Beat(1)]
    assert hear(b"") == []


def test_a_message_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="megabyte"):
        hear(b"x" * (MAX_LINE_BYTES + 10))


NONSENSE = [
    b"\n",
    b"garbage\n",
    b"\xff\xfe\n",
    b"null\n",
    b"3\n",
    b"[]\n",
    b'"Beat"\n',
    b"{}\n",
    b'{"say": "Beat"}\n',
    b'{"say": "NoSuch"}\n',
    b'{"say": ["Beat"]}\n',
    b'{"say": {}, "memory_bytes": 1}\n',
    b'{"say": "Beat", "memory_bytes": "many"}\n',
    b'{"say": "Beat", "memory_bytes": null}\n',
    b'{"say": "Beat", "memory_bytes": Infinity}\n',
    b'{"say": "Beat", "memory_bytes": 1, "more": 2}\n',
    b'{"say": "Run", "order": {}}\n',
    b'{"say": "Finished", "job_id": 1, "outcome": {"outcome": "NoSuch"}}\n',
    b'{"say": "Finished", "job_id": 1, "outcome": []}\n',
    b'{"say": "Finished", "job_id": 1, "outcome": {"outcome": "Retry", "reason": 3}}\n',
    b'{"say": "Identified", "job_id": 1, "content_sha256": "\\ud800"}\n',
    b'{"say": "Learned", "values": [1]}\n',
    b'{"say": "Learned", "values": {"a": 1}}\n',
    b"[" * 100_000 + b"\n",
    b'{"say": "Beat", "memory_bytes": ' + b"9" * 5000 + b"}\n",
]


@pytest.mark.parametrize("raw", NONSENSE, ids=lambda raw: raw[:60].decode("ascii", "replace"))
def test_nonsense_is_a_valueerror_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        hear(raw)


@pytest.mark.parametrize("path", ["/x/\\ud800", 3, None, ["/x"]])
def test_a_path_that_no_file_can_have_is_refused(path: object) -> None:
    text = json.dumps(path).replace("\\\\", "\\")
    raw = (
        '{"say": "Announced", "job_id": 1, "result": {"path": ' + text + ', "sha256": "f", '
        '"width_px": 1, "height_px": 1, "scale": 1}}\n'
    )
    with pytest.raises(ValueError, match=r"."):
        hear(raw.encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
WORDS = ["say", "job_id", "outcome", "reason", "result", "values", "order", "memory_bytes", "done"]
NAMES = [kind.__name__ for kind in (*get_args(ToWorker), *get_args(FromWorker))]
LIKELY = st.fixed_dictionaries(
    {"say": st.sampled_from(NAMES)},
    optional=dict.fromkeys(WORDS[1:], JSON),
)


@settings(deadline=None, max_examples=150)
@given(st.one_of(LIKELY, JSON, st.dictionaries(st.sampled_from(WORDS), JSON)))
def test_no_document_raises_anything_but_valueerror(document: Any) -> None:
    raw = json.dumps(document).encode() + b"\n"
    for union in (ToWorker, FromWorker):
        with contextlib.suppress(ValueError):
            for message in hear(raw, union):
                assert isinstance(message, union)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_valueerror(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        hear(raw + b"\n")


@settings(deadline=None, max_examples=100)
@given(st.binary(min_size=1, max_size=60))
def test_any_name_of_a_file_comes_through(raw: bytes) -> None:
    path = Path("/x") / raw.replace(b"\0", b"_").decode("utf-8", "surrogateescape")
    line = json.dumps(messages._converter.unstructure(Run(order(path, path)), ToWorker))
    assert hear(line.encode() + b"\n", ToWorker) == [Run(order(path, path))]
