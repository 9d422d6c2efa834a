"""The stored form. The state machine stands in the schema, so that no code path can break it."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from upscaled.store.version import SCHEMA_VERSION


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Make `import` of these fail for a while.

    sqlite_utils imports numpy and pandas where they are installed, for column types we never
    use: 25 MB and 0.1 s that the supervisor does not have to spend.
    """
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]  # the documented way to block one
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _hidden("numpy", "pandas"):
    from sqlite_utils import Database, Migrations

__all__ = ["SCHEMA_VERSION", "Database", "migrations"]

migrations = Migrations("upscaled")

_FINAL = "('done', 'failed', 'cancelled')"

_TABLES = f"""
CREATE TABLE recipe (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,       -- of recipe and delivery together
    pixels_digest TEXT NOT NULL,       -- of what decides the bytes of an output
    recipe TEXT NOT NULL,
    delivery TEXT NOT NULL
) STRICT;

CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    path BLOB NOT NULL,                -- os.fsencode: a name need not be UTF-8
    relative BLOB NOT NULL,            -- its folder below the inbox
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    recipe_id INTEGER NOT NULL REFERENCES recipe (id),
    priority INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    owner TEXT,                        -- boot id, pid and start time of the daemon that runs it
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    deaths INTEGER NOT NULL DEFAULT 0 CHECK (deaths >= 0),
    suspect INTEGER NOT NULL DEFAULT 0 CHECK (suspect IN (0, 1)),  -- runs alone
    known INTEGER NOT NULL DEFAULT 1 CHECK (known IN (0, 1)),  -- 0: its file went or changed
    not_before REAL NOT NULL DEFAULT 0,
    content_sha256 TEXT,
    output BLOB,
    output_sha256 TEXT,
    width_px INTEGER,
    height_px INTEGER,
    scale INTEGER,
    duplicate_of INTEGER REFERENCES job (id) ON DELETE SET NULL,
    source_pending INTEGER NOT NULL DEFAULT 0 CHECK (source_pending IN (0, 1)),
    reason TEXT,
    hint TEXT,
    notes TEXT NOT NULL DEFAULT '[]',
    timings TEXT NOT NULL DEFAULT '{{}}',
    queued_at REAL NOT NULL,
    claimed_at REAL,
    finished_at REAL,
    CHECK ((state = 'running') = (owner IS NOT NULL)),
    CHECK ((state IN {_FINAL}) = (finished_at IS NOT NULL)),
    CHECK (state <> 'done' OR (output IS NOT NULL AND output_sha256 IS NOT NULL)),
    CHECK (state <> 'failed' OR reason IS NOT NULL),
    CHECK (source_pending = 0 OR state IN ('done', 'failed'))
) STRICT;

-- One live job for each file of a rule: it can never be queued, nor run, twice.
CREATE UNIQUE INDEX job_live ON job (rule, path) WHERE state IN ('waiting', 'running');
CREATE INDEX job_next ON job (rule, suspect, priority DESC, id) WHERE state = 'waiting';
-- Few wait for a time to come, however many wait: it is asked for each second.
CREATE INDEX job_later ON job (not_before) WHERE state = 'waiting' AND not_before > 0;
CREATE INDEX job_path ON job (path, rule);
CREATE INDEX job_content ON job (rule, content_sha256) WHERE state = 'done';
CREATE INDEX job_finished ON job (state, rule, finished_at);
CREATE INDEX job_source ON job (id) WHERE source_pending = 1;

CREATE TABLE history (
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    at REAL NOT NULL,
    event TEXT NOT NULL,
    detail TEXT
) STRICT;
CREATE INDEX history_job ON history (job_id, id);

CREATE TABLE pause (
    rule TEXT PRIMARY KEY,             -- '' pauses all
    cause TEXT NOT NULL CHECK (cause IN ('user', 'environment')),
    reason TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL,                        -- NULL: until resumed by hand
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE learned (key TEXT PRIMARY KEY, value TEXT NOT NULL, at REAL NOT NULL) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


@migrations()
def first(db: Database) -> None:
    for statement in _statements(_TABLES):
        db.conn.execute(statement)
    # Marks our temporary files, so that two daemons can share an output folder.
    db.conn.execute("INSERT INTO meta VALUES ('store_id', ?)", (secrets.token_hex(4),))


@migrations()
def scale_is_a_number(db: Database) -> None:
    """1.5 is a scale too; a STRICT table keeps an INTEGER column to integers."""
    db.conn.execute("ALTER TABLE job ADD COLUMN factor REAL")
    db.conn.execute("UPDATE job SET factor = scale")
    db.conn.execute("ALTER TABLE job DROP COLUMN scale")
    db.conn.execute("ALTER TABLE job RENAME COLUMN factor TO scale")


@migrations()
def duplicates_are_found(db: Database) -> None:
    """Each job that is forgotten asks who refers to it: a look at every job without an index."""
    db.conn.execute(
        "CREATE INDEX job_duplicate ON job (duplicate_of) WHERE duplicate_of IS NOT NULL"
    )


@migrations()
def figures(db: Database) -> None:
    """Of quality checks."""
    db.conn.execute("ALTER TABLE job ADD COLUMN figures TEXT NOT NULL DEFAULT '{}'")


@migrations()
def results_are_known(db: Database) -> None:
    """Each file that is read is asked about: did we make it?"""
    db.conn.execute("CREATE INDEX job_result ON job (output_sha256) WHERE state = 'done'")


@migrations()
def causes_are_codes(db: Database) -> None:
    """What was told by the wording of reasons and details is told by a code."""
    for table, column in (("job", "cause"), ("history", "cause"), ("pause", "code")):
        # A code, not which: a new one then needs no migration.
        is_code = f"CHECK ({column} <> '' AND {column} NOT GLOB '*[^a-z-]*')"
        db.conn.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT {is_code}")
    db.conn.execute("ALTER TABLE history ADD COLUMN place BLOB")  # where a source was moved to
    db.conn.execute("ALTER TABLE pause ADD COLUMN hint TEXT")
    # As the versions before worded it.
    for cause, reason in _OLD_REASONS:
        db.conn.execute(
            "UPDATE job SET cause = ? WHERE state = 'cancelled' AND reason LIKE ?", (cause, reason)
        )
    for cause, detail in _OLD_DETAILS:
        db.conn.execute(
            "UPDATE history SET cause = ? "
            "WHERE event = 'source' AND cause IS NULL AND detail LIKE ?",
            (cause, detail),
        )
    db.conn.execute(
        "UPDATE history SET place = CAST(substr(detail, 10) AS BLOB) "
        "WHERE cause = 'moved' AND detail LIKE 'moved to /%'"
    )


_OLD_REASONS = (
    ("no-rule", "no rule takes it: %"),
    ("by-hand", "forgotten by hand"),
    ("source-changed", "the source changed"),
    ("source-gone", "the source is gone"),
)
_OLD_DETAILS = (
    ("trashed", "moved to the trash"),
    ("moved", "moved to %"),
    ("deleted", "deleted"),
    ("source-gone", "already gone"),
    ("left-alone", "%left where it is"),
)


def _statements(script: str) -> Iterator[str]:
    """Split by hand: `executescript` would commit the migration's transaction."""
    for statement in script.split(";\n"):
        if statement.strip():
            yield statement
