"""Where things live, by the XDG rules, from the environment as it is now."""

import os
from pathlib import Path
from typing import NamedTuple

from platformdirs.unix import Unix

APP = "upscaled"
CONFIG_NAME = "upscaled.yml"
SOCKET_NAME = "control.sock"
STORE_NAME = "upscaled.db"
RESULTS_NAME = "run.db"
LOCK_NAME = "lock"


class Dirs(NamedTuple):
    """The folders of one daemon. Two daemons that differ in these never meet."""

    config: Path
    state: Path
    data: Path
    cache: Path
    runtime: Path

    @property
    def config_file(self) -> Path:
        return self.config / CONFIG_NAME

    @property
    def store(self) -> Path:
        return self.state / STORE_NAME

    @property
    def results(self) -> Path:
        """What `upscaled run` made."""
        return self.state / RESULTS_NAME

    @property
    def lock(self) -> Path:
        return self.state / LOCK_NAME

    @property
    def models(self) -> Path:
        # Data, not cache: a cache clean must not cost gigabytes of downloads.
        return self.data / "models"

    @property
    def socket(self) -> Path:
        return self.runtime / SOCKET_NAME


def find_dirs() -> Dirs:
    """The folders by `$XDG_*`; nothing is created.

    The runtime folder falls back to one inside the state folder where there is no
    `$XDG_RUNTIME_DIR` (cron, su, containers): the place must be the same for the daemon and
    for each later command, which a temporary folder would not be.
    """
    unix = Unix(APP, appauthor=False)
    state = Path(unix.user_state_dir)
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return Dirs(
        config=Path(unix.user_config_dir),
        state=state,
        data=Path(unix.user_data_dir),
        cache=Path(unix.user_cache_dir),
        # The specification says to ignore relative values.
        runtime=Path(runtime, APP) if Path(runtime).is_absolute() else state / "run",
    )


def find_trash() -> Path:
    """The home's, by freedesktop.org's Trash specification."""
    return Path(Unix().user_data_dir) / "Trash"
