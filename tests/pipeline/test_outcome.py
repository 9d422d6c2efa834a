"""What each error means for its job: every class has its row."""

import errno
import os

import cv2
import pytest

from upscaled import errors
from upscaled.cause import Cause
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Failed,
    Interrupted,
    Retry,
    Snoozed,
    Vanished,
)
from upscaled.pipeline.outcome import is_foreseen, outcome_of

TABLE = [
    (errors.SourceChanged(), Changed()),
    (errors.SourceVanished(), Vanished()),
    (errors.StopRequested(), Interrupted()),
    (errors.TruncatedImage("cut"), Retry("cut", Cause.TRUNCATED)),
    (errors.UnreadableImage("bad", hint="look"), Failed("bad", "look", Cause.UNREADABLE)),
    (errors.UnsupportedImage("odd"), Failed("odd", cause=Cause.UNSUPPORTED)),
    (errors.ImageTooLarge("big"), Failed("big", cause=Cause.TOO_LARGE)),
    (errors.LargeEnough("enough"), Cancelled("enough", Cause.ENOUGH_ALREADY)),
    (errors.BadResult("black"), Failed("black", cause=Cause.BAD_RESULT)),
    (errors.OutputExists("there"), Failed("there", cause=Cause.OUTPUT_EXISTS)),
    (errors.EnvironmentTrouble("no", hint="do"), Snoozed("no", whole_rule=False, hint="do")),
    (errors.OutOfMemory("little"), Snoozed("little", whole_rule=False, cause=Cause.NO_MEMORY)),
    (errors.DeviceError("gone"), Snoozed("gone", cause=Cause.DEVICE_UNUSABLE)),
    (errors.ModelUnknown("which"), Snoozed("which", cause=Cause.MODEL_UNKNOWN)),
    (errors.ModelCorrupt("hash"), Snoozed("hash", cause=Cause.MODEL_CORRUPT)),
    (errors.ModelUnavailable("net"), Snoozed("net", cause=Cause.MODEL_UNAVAILABLE)),
    (MemoryError(), Retry("not enough memory", Cause.NO_MEMORY)),
    (
        OSError(errno.ENOSPC, "No space left on device", "/out/a.png"),
        Snoozed("cannot write /out/a.png: No space left on device", cause=Cause.DISK_FULL),
    ),
    (
        OSError(errno.EIO, "Input/output error"),
        Snoozed("cannot write: Input/output error", cause=Cause.CANNOT_WRITE),
    ),
    (OSError("odd"), Snoozed("cannot write: odd", cause=Cause.CANNOT_WRITE)),
    (
        OSError(errno.EFBIG, "File too large"),
        Failed(
            "its result is larger than a file may be there",
            "ask for a smaller one, by `output.format` or `scale`; or use another file system",
            Cause.FILE_TOO_LARGE,
        ),
    ),
    (
        OSError(errno.EILSEQ, "Invalid or incomplete multibyte", "/out/a.png"),
        Failed(
            "the file system does not take the name of its result: /out/a.png",
            "rename the source, or change `output.name`",
            Cause.NAME_REFUSED,
        ),
    ),
    (
        OSError(errno.EINVAL, "Invalid argument"),
        Snoozed("cannot write: Invalid argument", cause=Cause.CANNOT_WRITE),
    ),
]


@pytest.mark.parametrize(("error", "outcome"), TABLE, ids=lambda value: type(value).__name__)
def test_each_error_has_its_outcome(error: Exception, outcome: object) -> None:
    assert outcome_of(error) == outcome


def test_trouble_with_the_source_has_the_cause_that_the_system_gives() -> None:
    trouble = errors.EnvironmentTrouble("cannot read a.png")
    trouble.__cause__ = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    expected = Snoozed("cannot read a.png", whole_rule=False, cause=Cause.NO_PERMISSION)
    assert outcome_of(trouble) == expected


def test_a_lost_device_ends_the_worker_not_the_job() -> None:
    error = errors.DeviceLost("cuda")
    with pytest.raises(errors.DeviceLost) as caught:
        outcome_of(error)
    assert caught.value is error


def test_lack_of_memory_inside_opencv_is_lack_of_memory() -> None:
    told = "OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 8 bytes"
    error = cv2.error(told)
    assert outcome_of(error) == Retry("not enough memory", Cause.NO_MEMORY)
    assert is_foreseen(error)


def test_what_nobody_foresaw_is_told_as_a_bug() -> None:
    assert not is_foreseen(cv2.error("assertion failed"))
    outcome = outcome_of(ZeroDivisionError("division by zero"))
    assert isinstance(outcome, Failed)
    assert outcome.reason == "a bug in upscaled: ZeroDivisionError: division by zero"
    assert "journalctl" in (outcome.hint or "")


def test_a_name_that_no_file_system_takes_does_not_stop_the_rule() -> None:
    outcome = outcome_of(OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "/x"))
    assert isinstance(outcome, Failed)
    assert "output" in (outcome.hint or "")


def test_every_class_of_error_has_an_outcome() -> None:
    def below(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(deep for inner in kind.__subclasses__() for deep in below(inner))]

    for kind in below(errors.UpscaledError):
        if kind is not errors.DeviceLost and kind.__module__ == errors.__name__:
            assert outcome_of(kind()) is not None
