"""Which rules take a file, or which line of the configuration keeps it out: the core of `why`.

`explain` is pure. `look` is its one effect: what the file system says of the path. Neither reads
the file: where `Explanation.needs_image_info`, the header decides, and where no rule takes it, its
first bytes say what it is. `explain` is asked again with `replace(facts, image_info=…)` or
`content=…`.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from upscaled import rules as matching
from upscaled.config.problems import Origin
from upscaled.config.settings import RuleSettings
from upscaled.filesystem.open_writers import is_open_for_writing
from upscaled.image.decode.foreign import Content
from upscaled.job import ImageInfo
from upscaled.watch import ignore

_KINDS = (
    (stat.S_ISDIR, "is a folder: name a file in it"),
    (stat.S_ISFIFO, "is a named pipe, not an image"),
    (stat.S_ISSOCK, "is a socket, not an image"),
    (lambda mode: stat.S_ISBLK(mode) or stat.S_ISCHR(mode), "is a device, not an image"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a look at the file system tells; by default a plain file that can be read."""

    names: tuple[Path, ...] = ()
    """Other absolute names under which an inbox sees the file (through a symlink above it)."""
    reject_reason: str | None = None
    """Why it is no file to be upscaled: it does not exist, is a folder, is empty …"""
    links: frozenset[Path] = frozenset()
    """Those of its names, and of the folders above, that are symbolic links."""
    results: frozenset[tuple[Path, Path]] = frozenset()
    """(folder above the file, `output:` of a rule) that are one folder by different names."""
    size_bytes: int | None = None
    mtime_s: float | None = None
    """Of its last write, in seconds since 1970."""
    exists: bool = True
    """Whether anything stands there, even a symbolic link to nothing."""
    image_info: ImageInfo | None = None
    """What its header says; None: nobody looked."""
    content: Content | None = None
    """What its first bytes say; None: nobody looked, or they say nothing."""


NO_FACTS = Facts()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one rule says of the file. `origin`: the line of the configuration that decided."""

    rule: str
    takes: bool
    reason: str
    origin: Origin | None = None
    depends: bool = False
    """It takes the file if its `when:` holds, which only the picture can tell."""
    is_outside: bool = False
    """The file lies in none of its inboxes."""
    is_result: bool = False
    """Then it lies where the rule puts its results."""

    def __str__(self) -> str:
        place = f" ({self.origin})" if self.origin else ""
        return f"{self.rule}: {self.reason}{place}"


@dataclass(frozen=True, slots=True)
class Explanation:
    path: Path
    """As an inbox sees it."""
    takers: tuple[str, ...]
    """Names of the rules that take it; with `also:` there may be several."""
    answers: tuple[Answer, ...]
    """One for each rule, in file order."""
    obstacle: str | None = None
    """What keeps it out of every inbox, whatever the rules say: an ignored name, a symlink …"""
    needs_image_info: bool = False
    """Some rule depends on the picture, and nobody has looked into it."""
    content_note: str | None = None
    """What the file is that no rule takes, and what to do for an image that one does."""

    @property
    def is_outside(self) -> bool:
        """Whether it lies in no inbox of any rule."""
        return all(answer.is_outside for answer in self.answers)

    @property
    def is_stranger(self) -> bool:
        """Whether it may be an image, and no rule knows its folder, for inbox or for results."""
        is_result = any(answer.is_result for answer in self.answers)
        return bool(self.answers) and not self.obstacle and self.is_outside and not is_result

    @property
    def says(self) -> tuple[str, ...]:
        """The lines to be shown: first the sum of it, then each rule."""
        return (self.headline, *map(str, self.answers))

    @property
    def headline(self) -> str:
        if self.obstacle is not None:
            return f"no rule takes it: it {self.obstacle}"
        if self.takers and self.needs_image_info:
            return f"it depends on the picture: {', '.join(self.takers)}"
        if self.takers:
            noun = "rule" if len(self.takers) == 1 else "rules"
            return f"taken by {noun} {', '.join(self.takers)}"
        if not self.answers:
            return "there are no rules"
        return "no rule takes it" + (": it lies in no inbox" if self.is_outside else "")

    @property
    def reason(self) -> str:
        """The line that decides: of the rule that takes it, or of all that could have."""
        if self.obstacle is not None:
            return self.headline
        if self.takers:
            return next(str(answer) for answer in self.answers if answer.rule == self.takers[0])
        near = [str(answer) for answer in self.answers if not answer.is_outside]
        return "; ".join(near) or self.headline


def explain(rules: Sequence[RuleSettings], path: Path, facts: Facts = Facts()) -> Explanation:
    """Why `path` (absolute) is upscaled, or why not. `rules`: all, disabled ones too."""
    names = (path, *facts.names)
    seen = next((name for name in names if any(_root_of(rule, name) for rule in rules)), path)
    found: list[Answer] = []
    owner: str | None = None
    for rule in rules:
        answer = _answer(rule, seen, rules, facts)
        if answer.takes and owner is not None and not rule.also:
            origin = rule.origins.get("")
            answer = Answer(rule.name, False, f"rule {owner} has it already", origin)
        elif answer.takes and not rule.also and not answer.depends:
            owner = rule.name
        found.append(answer)
    obstacle = _obstacle(seen, facts)
    takers = () if obstacle else tuple(answer.rule for answer in found if answer.takes)
    note = None if takers or obstacle else _content_note(rules, seen, facts)
    return Explanation(
        path=seen,
        takers=takers,
        answers=tuple(found),
        obstacle=obstacle,
        needs_image_info=obstacle is None and any(answer.depends for answer in found),
        content_note=note,
    )


def _answer(rule: RuleSettings, path: Path, rules: Sequence[RuleSettings], facts: Facts) -> Answer:
    root = _root_of(rule, path)
    if root is None:
        return _outside(rule, path, facts)
    match = matching.match((rule,), path, size_bytes=facts.size_bytes, image_info=facts.image_info)
    verdict = match.verdicts[-1]
    if rule.enabled and (kept := _passed_over(rule, path, root, rules, facts)):
        return kept
    depends = verdict.takes and facts.image_info is None and rule.when.needs_image_info
    reason, origin = verdict.reason, verdict.origin
    if depends:
        reason, origin = "takes it if its conditions hold", rule.origins.get("when")
    return Answer(rule.name, verdict.takes, reason, origin, depends)


def _outside(rule: RuleSettings, path: Path, facts: Facts) -> Answer:
    is_result = any(_keeps_results_in(rule, folder, facts) for folder in path.parents)
    if is_result:
        reason, origin = "it lies where the rule puts its results", _origin_of_output(rule)
    else:
        roots = ", ".join(map(str, rule.roots))
        reason, origin = f"it lies outside of {roots}", rule.origins.get("watch")
    return Answer(rule.name, False, reason, origin, is_outside=True, is_result=is_result)


def _passed_over(
    rule: RuleSettings, path: Path, root: Path, rules: Sequence[RuleSettings], facts: Facts
) -> Answer | None:
    """What the watcher does not look at, before any pattern is asked."""
    for folder in _between(path, root):
        if folder in facts.links and not rule.follow_symlinks:
            return Answer(
                rule.name,
                takes=False,
                reason=f"{folder} is a symbolic link, which is followed "
                "where a rule says `follow_symlinks: true`",
                origin=rule.origins.get("follow_symlinks"),
            )
        closed = ignore.is_closed_folder(os.fsencode(folder.name), hidden=True)
        if closed and rule.recursive:
            reason = f"a folder called '{folder.name}' is never looked into"
            return Answer(rule.name, takes=False, reason=reason)
        writer = next((r for r in rules if _keeps_results_in(r, folder, facts)), None)
        if writer is not None and not writer.allow_chain and rule.recursive:
            return Answer(
                rule.name,
                takes=False,
                reason=f"{folder} is where rule {writer.name} puts its results",
                origin=_origin_of_output(writer),
            )
    return None


def _keeps_results_in(rule: RuleSettings, folder: Path, facts: Facts) -> bool:
    results = rule.delivery.folder
    return rule.enabled and (folder == results or (folder, results) in facts.results)


def _origin_of_output(rule: RuleSettings) -> Origin | None:
    return rule.origins.get("output.folder") or rule.origins.get("output")


def _obstacle(path: Path, facts: Facts) -> str | None:
    if facts.reject_reason is not None:
        return facts.reject_reason
    if path in facts.links:
        return "is a symbolic link: put the file itself there"
    name = os.fsencode(path.name)
    if ignore.is_passed_over(name, hidden=True):
        return f"has a name that programs give to unfinished or own files ('{path.name}')"
    return None


def _content_note(rules: Sequence[RuleSettings], path: Path, facts: Facts) -> str | None:
    content = facts.content
    if content is None:
        return None
    if content.suffix is None:
        advice = f": {content.advice}" if content.advice else ""
        return f"it is {content.what}{advice}"
    renamed = path.with_name(path.name + content.suffix)
    if explain(rules, renamed, replace(facts, content=None)).takers:
        return f"it is {content.what}: a rule takes it if its name ends in {content.suffix}"
    return None


def _root_of(rule: RuleSettings, path: Path) -> Path | None:
    """The deepest of its inboxes that holds the file."""
    above = [root for root in rule.roots if root != path and path.is_relative_to(root)]
    return max(above, key=lambda root: len(root.parts), default=None)


def _between(path: Path, root: Path) -> Iterator[Path]:
    """The folders from `root` (without it) down to the file."""
    yield from (
        folder
        for folder in reversed(path.parents)
        if folder != root and folder.is_relative_to(root)
    )


def look(path: Path, rules: Sequence[RuleSettings]) -> Facts:
    """What stands at `path`; nothing is read, and nothing that the system says is raised."""
    size_bytes, mtime_s, reject_reason = None, None, None
    try:
        found = path.stat()
    except FileNotFoundError:
        reject_reason = (
            "does not exist" if not path.is_symlink() else "is a symbolic link to nothing"
        )
    except (OSError, ValueError) as error:
        reject_reason = f"cannot be looked at ({getattr(error, 'strerror', None) or error})"
    else:
        size_bytes, mtime_s = found.st_size, found.st_mtime
        reject_reason = next((why for is_kind, why in _KINDS if is_kind(found.st_mode)), None)
        if reject_reason is None and not size_bytes:
            reject_reason = "is empty (0 bytes)"
        if reject_reason is None and is_open_for_writing(path):
            reject_reason = "waits: a program has it open, and may still write to it"
    names = tuple(_other_names(path, rules))
    above = dict.fromkeys(folder for name in (path, *names) for folder in name.parents)
    results = {rule.delivery.folder for rule in rules}
    links = frozenset(
        part
        for name in (path, *names)
        for part in (name, *name.parents)
        if os.path.islink(part)  # noqa: PTH114 (pathlib's raises for names with NUL)
    )
    exists = os.path.lexists(path)
    return Facts(
        names=names,
        reject_reason=reject_reason,
        links=links,
        results=frozenset(_same(above, results)),
        size_bytes=size_bytes,
        mtime_s=mtime_s,
        exists=exists,
    )


def _same(above: Iterable[Path], results: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Those that are one folder, as the watcher tells them: by device and inode."""
    marks = {folder: _mark(folder) for folder in results}
    for folder in above:
        mark = _mark(folder)
        yield from ((folder, one) for one, its in marks.items() if mark is not None and mark == its)


def _mark(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _other_names(path: Path, rules: Sequence[RuleSettings]) -> Iterator[Path]:
    real = Path(os.path.realpath(path.parent)) / path.name
    for root in dict.fromkeys(root for rule in rules for root in rule.roots):
        real_root = Path(os.path.realpath(root))
        if real != real_root and real.is_relative_to(real_root):
            name = root / real.relative_to(real_root)
            if name != path:
                yield name
