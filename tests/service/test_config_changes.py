"""What a changed configuration changes, and when it is noticed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.builders import DELIVERY, RECIPE
from support.fakes import FakeClock
from upscaled.config.grammar.conditions import Conditions
from upscaled.config.load import load_config
from upscaled.config.problems import ConfigProblems, Origin
from upscaled.config.settings import RuleSettings, Settings
from upscaled.service.config_changes import LOOK_S, Changes, ConfigWatch, differences, questions
from upscaled.service.inboxes import Inboxes
from upscaled.watch.spec import ArrivalBatch, InboxSpec

A = RuleSettings("a", (Path("/in/a"),), RECIPE, DELIVERY)
B = RuleSettings("b", (Path("/in/b"),), RECIPE, DELIVERY)


def test_rules_are_compared_by_name_wherever_they_stand() -> None:
    moved = replace(A, origins={"": Origin("x", 9, 9)})
    assert differences(Settings((A, B)), Settings((B, moved))) == Changes()
    changed = differences(
        Settings((A, B)), Settings((replace(A, priority=1), replace(B, name="c")))
    )
    assert changed == Changes(added=("c",), changed=("a",), removed=("b",))
    assert str(changed) == "added c; changed a; removed b"


def test_only_what_decides_over_files_is_asked_of_them() -> None:
    moved = replace(A, origins={"": Origin("x", 9, 9)}, priority=7)
    assert questions([moved, B]) == questions([A, B])
    asks_more = replace(A, when=Conditions(gray=True))
    assert len({questions(rules) for rules in ([A, B], [B, A], [A], [asks_more, B])}) == 4


class Files:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "upscaled.yml"
        self.write("a")
        self.clock = FakeClock()
        self.watch = ConfigWatch(self.clock, [self.file, folder / ".env"])

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def look(self) -> bool:
        self.clock.advance(LOOK_S)
        return self.watch.has_changed()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_change_counts_once_it_is_the_same_at_two_looks(files: Files) -> None:
    assert not files.look()
    files.write("half")
    assert not files.look()
    files.write("whole text")
    assert not files.look()
    assert files.look()
    files.watch.read()
    assert not files.look()


def test_a_file_that_appears_or_goes_is_a_change(files: Files) -> None:
    files.file.unlink()
    assert [files.look(), files.look()] == [False, True]
    files.watch.read()
    files.file.with_name(".env").write_text("A=1", encoding="utf-8")
    assert [files.look(), files.look()] == [False, True]


def test_it_is_not_looked_at_more_often_than_each_second(files: Files) -> None:
    files.write("other")
    assert not files.look()
    assert not files.watch.has_changed()
    assert files.look()


def test_what_changes_while_it_is_read_is_a_change(files: Files) -> None:
    files.watch.read()
    files.write("changed while it was read")
    files.watch.follow([files.file])
    assert [files.look(), files.look()] == [False, True]


def test_everything_that_could_change_a_configuration_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    main = tmp_path / "upscaled.yml"
    main.write_text(
        "include: [more.yml, conf.d/*.yml]\nrules: {a: {watch: in, output: out}}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigProblems) as raised:
        load_config([main], environment={})
    expected = {main, tmp_path / ".env", tmp_path / "more.yml", tmp_path / "conf.d"}
    assert set(raised.value.watched) == expected
    (tmp_path / "more.yml").write_text("", encoding="utf-8")
    assert set(load_config([main], environment={}).watched) == expected


class FakeInbox:
    def __init__(self, spec: InboxSpec, log: list[str]) -> None:
        self.name, self._log = spec.root.name, log

    def start(self) -> None:
        self._log.append(f"start {self.name}")

    def begin_stop(self) -> None:
        pass

    def stop(self, timeout_s: float) -> None:
        assert timeout_s >= 0
        self._log.append(f"stop {self.name}")

    rescan = resettle = view = None


def inboxes(log: list[str]) -> Inboxes:
    def make(
        spec: InboxSpec, _deliver: Callable[[ArrivalBatch], None], _clock: FakeClock
    ) -> FakeInbox:
        return FakeInbox(spec, log)

    return Inboxes(lambda _: None, FakeClock(), make)


def test_inboxes_for_which_nothing_changed_go_on() -> None:
    log: list[str] = []
    watched = inboxes(log)
    watched.watch([A, B])
    assert log == ["start a", "start b"]
    watched.watch([replace(A, origins={"": Origin("x", 1, 1)}), replace(B, include=("*.png",))])
    assert log[2:] == ["stop b", "start b"]
    watched.watch([A])
    assert log[4:] == ["stop b"]
    # Another rule on the same folder may take other files.
    watched.watch([A, replace(B, roots=A.roots)])
    assert log[5:] == ["stop a", "start a"]
    watched.stop()
    assert log[7:] == ["stop a"]
