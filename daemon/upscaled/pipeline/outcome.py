"""What an error means for its job: one table."""

import errno

from upscaled import errors
from upscaled.cause import Cause
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

_CAUSES = {
    errno.ENOSPC: Cause.DISK_FULL,
    errno.EDQUOT: Cause.DISK_FULL,
    errno.EACCES: Cause.NO_PERMISSION,
    errno.EPERM: Cause.NO_PERMISSION,
    errno.EROFS: Cause.READ_ONLY,
}
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
            return Cancelled(error.message, error.cause)
        case errors.StopRequested():
            return Interrupted()
        case errors.LargeEnough():
            return Cancelled(error.message, error.cause)
        case errors.TruncatedImage():
            return Retry(error.message, error.cause)
        case errors.DiskMissing():
            return Snoozed(error.message, hint=error.hint, cause=error.cause)
        case errors.EnvironmentTrouble() | errors.OutOfMemory():
            cause = _cause_of(error.__cause__, error.cause)
            return Snoozed(error.message, whole_rule=False, hint=error.hint, cause=cause)
        case errors.ModelError() | errors.DeviceError():
            # The rule's own trouble: mended by changing the rule or the file, then it goes on.
            return Snoozed(error.message, hint=error.hint, cause=error.cause)
        case errors.UpscaledError():
            return Failed(error.message, error.hint, error.cause)
        case _ if _lacks_memory(error):
            return Retry("not enough memory", Cause.NO_MEMORY)
        case OSError(errno=errno.ENAMETOOLONG):
            return Failed(
                f"the name of its result is too long: {error.filename}",
                "shorten `output.name` or the folders below the inbox",
                Cause.NAME_TOO_LONG,
            )
        case OSError(errno=errno.EFBIG):
            return Failed(
                "its result is larger than a file may be there",
                "ask for a smaller one, by `output.format` or `scale`; or use another file system",
                Cause.FILE_TOO_LARGE,
            )
        case OSError(errno=errno.EILSEQ | errno.EINVAL) if error.filename:
            return Failed(
                f"the file system does not take the name of its result: {error.filename}",
                "rename the source, or change `output.name`",
                Cause.NAME_REFUSED,
            )
        case OSError():
            name = f" {error.filename}" if error.filename else ""
            cause = _cause_of(error, Cause.CANNOT_WRITE)
            return Snoozed(f"cannot write{name}: {error.strerror or error}", cause=cause)
        case _:
            return Failed(
                f"a bug in upscaled: {type(error).__name__}: {error}",
                "please report it, with the log: journalctl --user -u upscaled",
                Cause.BUG,
            )


def _cause_of(error: BaseException | None, otherwise: Cause) -> Cause:
    """What the system's number says, where it says something."""
    return _CAUSES.get(error.errno or 0, otherwise) if isinstance(error, OSError) else otherwise


def is_foreseen(error: Exception) -> bool:
    """Whether it is no bug: something that the machine or the user's files may bring about."""
    return isinstance(error, errors.UpscaledError | OSError) or _lacks_memory(error)


def _lacks_memory(error: Exception) -> bool:
    # OpenCV's own error, which is not imported for this.
    is_opencv = type(error).__module__ == "cv2" and _CV2_NO_MEMORY in str(error)
    return is_opencv or isinstance(error, MemoryError)
