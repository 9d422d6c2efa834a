"""Why a job ended or waits, for programs: stable codes, listed in `docs/monitoring.md`.

Reasons and hints are for people and may be worded anew at any time; nothing decides by them.
"""

from enum import StrEnum


class Cause(StrEnum):
    # The picture
    BAD_RESULT = "bad-result"
    EMPTY = "empty"
    ENOUGH_ALREADY = "enough-already"
    NOT_A_FILE = "not-a-file"
    TOO_LARGE = "too-large"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    # The rules
    COMMAND_FAILED = "command-failed"
    NAME_REFUSED = "name-refused"
    NAME_TOO_LONG = "name-too-long"
    NO_RULE = "no-rule"
    OTHER_RULE = "other-rule"
    OUTPUT_EXISTS = "output-exists"
    TIMEOUT = "timeout"
    # The model and the device
    DEVICE_LOST = "device-lost"
    DEVICE_UNUSABLE = "device-unusable"
    MODEL_CORRUPT = "model-corrupt"
    MODEL_UNAVAILABLE = "model-unavailable"
    MODEL_UNKNOWN = "model-unknown"
    MODEL_UNSUPPORTED = "model-unsupported"
    MODEL_UNUSABLE = "model-unusable"
    NO_MEMORY = "no-memory"
    # The machine
    CANNOT_WRITE = "cannot-write"
    DISK_FULL = "disk-full"
    DISK_SILENT = "disk-silent"
    ENVIRONMENT = "environment"
    FILE_TOO_LARGE = "file-too-large"
    MOUNT_MISSING = "mount-missing"
    NO_PERMISSION = "no-permission"
    READ_ONLY = "read-only"
    # The program
    BUG = "bug"
    DAEMON_DIED = "daemon-died"
    INTERRUPTED = "interrupted"
    OTHER = "other"
    POISON = "poison"
    WORKER_DIED = "worker-died"
    # The source
    DELETED = "deleted"
    LEFT_ALONE = "left-alone"
    MOVED = "moved"
    SOURCE_CHANGED = "source-changed"
    SOURCE_GONE = "source-gone"
    TRASHED = "trashed"
    # A person
    BY_HAND = "by-hand"


OF_MODEL = frozenset(
    {
        Cause.MODEL_CORRUPT,
        Cause.MODEL_UNAVAILABLE,
        Cause.MODEL_UNKNOWN,
        Cause.MODEL_UNSUPPORTED,
        Cause.MODEL_UNUSABLE,
    }
)
"""The rule waits for its model, of which the worker tells as well."""
