"""Every error a user can meet, its exit code, and the command that mends it.

    UpscaledError                      1
    ├─ UsageError                      2
    ├─ ConfigError                    78   (EX_CONFIG; the unit does not restart on it)
    ├─ DaemonNotRunning                3
    ├─ DaemonAlreadyRunning            1
    ├─ ControlError                    1
    │  └─ DaemonUnreachable            1
    ├─ ServiceError                    1
    ├─ StoreError                      1
    │  ├─ StoreTooNew                  1
    │  └─ StoreUnavailable            75
    ├─ ModelError                      1
    │  ├─ ModelUnknown                 1
    │  ├─ ModelCorrupt                 1
    │  ├─ ModelUnsupported             1
    │  └─ ModelUnavailable            75   (EX_TEMPFAIL; the network may come back)
    ├─ DeviceError                     1
    │  ├─ OutOfMemory                  1
    │  └─ DeviceLost                  75
    ├─ JobError                        1
    │  ├─ UnreadableImage              1
    │  │  └─ TruncatedImage            1
    │  ├─ UnsupportedImage             1
    │  ├─ ImageTooLarge                1
    │  ├─ LargeEnough                  1
    │  ├─ BadResult                    1
    │  ├─ CommandFailed                1
    │  ├─ NotTaken                     1
    │  ├─ SourceChanged                1
    │  ├─ SourceVanished               1
    │  ├─ OutputExists                 1
    │  └─ EnvironmentTrouble          75
    │     └─ DiskMissing              75
    └─ StopRequested                 130

Only the command line turns these into text and exit codes; everything below raises them.
"""

from enum import IntEnum

from upscaled.cause import Cause


class ExitCode(IntEnum):
    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_RUNNING = 3
    DEGRADED = 5
    TEMPFAIL = 75
    CONFIG = 78
    INTERRUPTED = 130


class UpscaledError(Exception):
    """Something went wrong that can be foreseen."""

    exit_code: ExitCode = ExitCode.ERROR
    cause: Cause = Cause.OTHER
    """What it is for a job that it ends, or keeps waiting."""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        """`hint` names the next command to type or the thing to change."""
        super().__init__(message or type(self).__doc__)
        self.hint = hint

    @property
    def message(self) -> str:
        return str(self)


class UsageError(UpscaledError):
    """The command was called in a way it does not understand."""

    exit_code = ExitCode.USAGE


class ConfigError(UpscaledError):
    """The configuration cannot be used; nothing was started."""

    exit_code = ExitCode.CONFIG


class DaemonNotRunning(UpscaledError):
    """No daemon answers for this state directory."""

    exit_code = ExitCode.NOT_RUNNING


class DaemonAlreadyRunning(UpscaledError):
    """Another daemon holds the lock of this state directory."""


class ControlError(UpscaledError):
    """The daemon answered with a refusal, or with something that is no answer."""


class DaemonUnreachable(ControlError):
    """The daemon runs, and its control socket is not there."""

    pid: int | None = None
    """As far as it is known."""


class ServiceError(UpscaledError):
    """The user instance of systemd is not there, or refused."""


class StoreError(UpscaledError):
    """The job database cannot be used."""


class StoreTooNew(StoreError):
    """The job database was written by a newer version."""


class StoreUnavailable(StoreError):
    """The disk under the job database is full or fails; it may be mended while one waits."""

    exit_code = ExitCode.TEMPFAIL


class ModelError(UpscaledError):
    """A model cannot be used."""

    cause = Cause.MODEL_UNUSABLE


class ModelUnknown(ModelError):
    """No model of this name is known, and no file of this name exists."""

    cause = Cause.MODEL_UNKNOWN


class ModelCorrupt(ModelError):
    """A model file is damaged, or is not the file it should be."""

    cause = Cause.MODEL_CORRUPT


class ModelUnsupported(ModelError):
    """A model file holds a network that cannot upscale images here."""

    cause = Cause.MODEL_UNSUPPORTED


class ModelUnavailable(ModelError):
    """A model could not be fetched now."""

    exit_code = ExitCode.TEMPFAIL
    cause = Cause.MODEL_UNAVAILABLE


class DeviceError(UpscaledError):
    """The device cannot be used."""

    cause = Cause.DEVICE_UNUSABLE


class OutOfMemory(DeviceError):
    """Not even the smallest tile fits the memory there is."""

    cause = Cause.NO_MEMORY


class DeviceLost(DeviceError):
    """The device stopped working; the process has to start again."""

    exit_code = ExitCode.TEMPFAIL
    cause = Cause.DEVICE_LOST


class JobError(UpscaledError):
    """One image could not be done; everything else goes on."""


class UnreadableImage(JobError):
    """The file is not an image, or is damaged."""

    cause = Cause.UNREADABLE


class TruncatedImage(UnreadableImage):
    """The file ends before its image does; it may still be arriving."""

    cause = Cause.TRUNCATED


class UnsupportedImage(JobError):
    """The file is an image of a kind that is not handled."""

    cause = Cause.UNSUPPORTED


class ImageTooLarge(JobError):
    """The image, or its result, is larger than allowed."""

    cause = Cause.TOO_LARGE


class LargeEnough(JobError):
    """The image is as large already as its result should be."""

    cause = Cause.ENOUGH_ALREADY


class BadResult(JobError):
    """The network gave no picture (NaN, or one flat colour)."""

    cause = Cause.BAD_RESULT


class CommandFailed(JobError):
    """A command that the configuration names for a stage failed."""

    cause = Cause.COMMAND_FAILED


class NotTaken(JobError):
    """The conditions of its rule do not hold: the image is left to other rules, or alone."""

    cause = Cause.OTHER_RULE


class SourceChanged(JobError):
    """The source changed while it was read."""

    cause = Cause.SOURCE_CHANGED


class SourceVanished(JobError):
    """The source went away before it was read."""

    cause = Cause.SOURCE_GONE


class OutputExists(JobError):
    """A file that is not ours stands where the result should go."""

    cause = Cause.OUTPUT_EXISTS


class EnvironmentTrouble(JobError):
    """The machine stands in the way (disk, permission, mount), not the image."""

    exit_code = ExitCode.TEMPFAIL
    cause = Cause.ENVIRONMENT


class DiskMissing(EnvironmentTrouble):
    """The disk that a folder lies on is not mounted."""

    cause = Cause.MOUNT_MISSING


class StopRequested(UpscaledError):
    """Asked to stop before the work was finished."""

    exit_code = ExitCode.INTERRUPTED
    cause = Cause.INTERRUPTED
