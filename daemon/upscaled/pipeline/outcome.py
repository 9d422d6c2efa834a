"""What an error means for its job: one table."""

import errno

from upscaled import errors
from upscaled.outcomes import (
    Cancelled,
    Changed,
    Failed,
    Interrupted,
    Outcome,
    Retry,
    Snoozed,
    Vanished,
)

_CV2_NO_MEMORY = "(-4:"
"""cv::Error::StsNoMem. `cv2.error.code` is of no use: it is the class's, whoever raised last."""


def outcome_of(error: Exception) -> Outcome:  # noqa: C901, PLR0911, PLR0912 (a table: a case, a return)
    """Content fails, the environment waits, an interruption costs nothing.

    Raises:
        Exception: `error` itself, where it says that the process has to end (`DeviceLost`).
    """
    match error:
        case errors.DeviceLost():
            raise error
        case errors.SourceChanged():
            return Changed()
        case errors.SourceVanished():
            return Vanished()
        case errors.NotTaken():
            return Cancelled(error.message)
        case errors.StopRequested():
            return Interrupted()
        case errors.LargeEnough():
            return Cancelled(error.message)
        case errors.TruncatedImage():
            return Retry(error.message)
        case errors.DiskMissing():
            return Snoozed(with_hint(error))
        case errors.EnvironmentTrouble() | errors.OutOfMemory():
            return Snoozed(with_hint(error), whole_rule=False)
        case errors.ModelError() | errors.DeviceError():
            # The rule's own trouble: mended by changing the rule or the file, then it goes on.
            return Snoozed(with_hint(error))
        case errors.UpscaledError():
            return Failed(error.message, error.hint)
        case _ if _lacks_memory(error):
            return Retry("not enough memory")
        case OSError(errno=errno.ENAMETOOLONG):
            return Failed(
                f"the name of its result is too long: {error.filename}",
                "shorten `output.name` or the folders below the inbox",
            )
        case OSError(errno=errno.EFBIG):
            return Failed(
                "its result is larger than a file may be there",
                "ask for a smaller one, by `output.format` or `scale`; or use another file system",
            )
        case OSError(errno=errno.EILSEQ | errno.EINVAL) if error.filename:
            return Failed(
                f"the file system does not take the name of its result: {error.filename}",
                "rename the source, or change `output.name`",
            )
        case OSError():
            name = f" {error.filename}" if error.filename else ""
            return Snoozed(f"cannot write{name}: {error.strerror or error}")
        case _:
            return Failed(
                f"a bug in upscaled: {type(error).__name__}: {error}",
                "please report it, with the log: journalctl --user -u upscaled",
            )


def is_foreseen(error: Exception) -> bool:
    """Whether it is no bug: something that the machine or the user's files may bring about."""
    return isinstance(error, errors.UpscaledError | OSError) or _lacks_memory(error)


def _lacks_memory(error: Exception) -> bool:
    # OpenCV's own error, which is not imported for this.
    is_opencv = type(error).__module__ == "cv2" and _CV2_NO_MEMORY in str(error)
    return is_opencv or isinstance(error, MemoryError)


def with_hint(error: errors.UpscaledError) -> str:
    """Both in one line, for where there is room for a reason only."""
    return f"{error.message} ({error.hint})" if error.hint else error.message
