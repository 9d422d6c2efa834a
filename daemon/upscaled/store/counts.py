"""How much there is: of what waits, runs or failed."""

from collections.abc import Iterable

from upscaled.store.database import InSession, Session, transaction

_UNFINISHED = "SELECT count(*), max(reason) FROM job WHERE state = 'waiting' AND rule = ?"


class Counts(InSession):
    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._counted: tuple[int, tuple[int, bool]] | None = None

    @transaction
    def queue(self) -> tuple[int, bool]:
        """How many files wait, and whether all is paused by hand."""
        # Asked each second; nobody else writes, and to count 100,000 takes milliseconds.
        changes = self._session.conn.total_changes
        if self._counted is None or self._counted[0] != changes:
            waiting = self._session.row("SELECT count(*) FROM job WHERE state = 'waiting'")
            is_paused = bool(self._session.row("SELECT 1 FROM pause WHERE rule = ''"))
            self._counted = changes, (waiting[0] if waiting else 0, is_paused)
        return self._counted[1]

    @transaction
    def has_work(self, rule: str) -> bool:
        """Whether anything of it waits, for whatever, or runs."""
        row = self._session.row(
            "SELECT 1 FROM job WHERE rule = ? AND state IN ('waiting', 'running') LIMIT 1", (rule,)
        )
        return row is not None

    @transaction
    def failed_since(self, at: float) -> int:
        """How many jobs failed since then."""
        row = self._session.row(
            "SELECT count(*) FROM job WHERE state = 'failed' AND finished_at >= ?", (at,)
        )
        return row[0] if row else 0

    @transaction
    def unfinished(self, rules: Iterable[str]) -> tuple[int, str | None]:
        """How many files of these rules wait, and what for, where somebody knows."""
        waiting, reason = 0, None
        for rule in rules:
            row = self._session.row(_UNFINISHED, (rule,))
            paused = self._session.row("SELECT reason FROM pause WHERE rule IN ('', ?)", (rule,))
            if row and row[0]:
                waiting += row[0]
                reason = reason or (paused[0] if paused else row[1])
        return waiting, reason
