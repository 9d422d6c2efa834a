"""`upscaled doctor` as a whole; with the real device and systemd: `tests/system`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from upscaled.cli.checks import engine
from upscaled.cli.checks.finding import Finding, Level, ok
from upscaled.cli.commands.doctor import doctor_command, safely
from upscaled.dirs import find_dirs
from upscaled.errors import StoreError


@pytest.fixture(autouse=True)
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds for each test; the real one is in `tests/system/test_user_service.py`."""

    def findings(self: engine.Probe) -> Iterator[Finding]:
        self.stop()
        yield ok("device", self.device)

    monkeypatch.setattr(engine.Probe, "findings", findings)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def doctor(*words: str) -> Result:
    return CliRunner().invoke(doctor_command, words, standalone_mode=False)


def test_a_new_home_is_warned_that_the_model_has_to_be_fetched() -> None:
    result = doctor()
    assert result.return_value == 5
    assert "→ upscaled models pull 'realesrgan-x4plus'" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("0 fail, 1 warn")


@pytest.mark.usefixtures("models_at_home")
def test_with_a_model_nothing_is_to_be_mended() -> None:
    result = doctor("--json")
    report = json.loads(result.stdout)
    assert [one for one in report["findings"] if one["level"] != "ok"] == []
    assert (result.return_value, report["exit_code"], report["schema_version"]) == (0, 0, 1)
    assert {"python", "configuration", "sqlite", "inotify", "state", "model", "device"} <= {
        one["topic"] for one in report["findings"]
    }


def test_a_broken_configuration_is_one_finding_among_the_others(home: Path) -> None:
    file = home / "broken.yml"
    file.write_text("rulez: {}\nrules: [\n")
    result = doctor("--config", str(file), "--json")
    report = json.loads(result.stdout)
    found = {one["topic"]: one for one in report["findings"]}
    assert result.return_value == 1
    assert found["configuration"]["level"] == "fail"
    assert found["configuration"]["remedy"].endswith(f"upscaled config check --config {file}")
    assert {"sqlite", "state", "device"} <= set(found)


def test_a_damaged_database_is_one_finding_among_the_others() -> None:
    store = find_dirs().store
    store.parent.mkdir(parents=True)
    store.write_bytes(b"no database" * 1000)
    result = doctor()
    assert result.return_value == 1
    assert "✗ database" in result.stdout
    assert "Traceback" not in result.output


def test_a_check_that_fails_itself_is_a_finding() -> None:
    def broken() -> Iterator[Finding]:
        yield ok("a", "fine")
        raise ZeroDivisionError("a bug")

    def refused() -> Iterator[Finding]:
        raise StoreError("no", hint="do this")
        yield

    first, second = safely("a", broken)
    assert (first.level, second.level) == (Level.OK, Level.FAIL)
    assert "ZeroDivisionError" in second.what
    (third,) = safely("b", refused)
    assert (third.topic, third.what, third.remedy) == ("b", "no", "do this")


def test_a_name_cannot_colour_the_terminal(home: Path) -> None:
    file = home / "\x1b[31mred.yml"
    result = doctor("--config", str(file))
    assert "\x1b[31m" not in result.stdout
