"""`upscaled config …` as a person, an editor and a CI job call it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from upscaled.cli.commands.config import config_group
from upscaled.config.problems import ConfigProblem, ConfigProblems, github_annotation
from upscaled.errors import UsageError

GOOD = "rules:\n  photos: {watch: in, output: out}\n"
BAD = "rules:\n  photos: {watch: in, output: out, prio: 1}\n"


def call(*arguments: object, env: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(config_group, list(map(str, arguments)), env=env)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "upscaled.yml"


def test_a_good_configuration_is_called_valid(file: Path) -> None:
    file.write_text(GOOD)
    result = call("check", "--config", file)
    assert (result.exit_code, result.output) == (0, f"{file}: valid, 1 rule (photos)\n")
    assert call("check", "-q", "--config", file).output == ""


def test_a_bad_one_is_shown_whole_and_exits_with_78(file: Path) -> None:
    file.write_text(BAD)
    result = call("check", "--config", file)
    assert result.exit_code == 78
    assert result.stdout.splitlines() == [
        f"{file}:2:36: error: unknown key 'prio' in rules.photos (did you mean 'priority'?)",
        "      photos: {watch: in, output: out, prio: 1}",
        "    " + " " * 35 + "^",
    ]
    assert result.stderr == f"{file}: 1 error\n"


def test_the_parsable_form_has_one_line_for_each(file: Path) -> None:
    file.write_text(BAD)
    result = call("check", "--config", file, "--format", "parsable")
    assert result.output.splitlines() == [
        f"{file}:2:36: error: unknown key 'prio' in rules.photos (did you mean 'priority'?)"
    ]


def test_json_has_everything(file: Path) -> None:
    file.write_text(BAD)
    result = call("check", "--config", file, "--json")
    assert result.exit_code == 78
    assert json.loads(result.output) == {
        "schema_version": 1,
        "valid": False,
        "files": [str(file)],
        "rules": [],
        "problems": [
            {
                "severity": "error",
                "file": str(file),
                "line": 2,
                "column": 36,
                "message": "unknown key 'prio' in rules.photos",
                "hint": "did you mean 'priority'?",
            }
        ],
    }


def test_github_gets_annotations(file: Path) -> None:
    file.write_text(BAD)
    output = call("check", "--config", file, env={"GITHUB_ACTIONS": "true"}).output
    assert output.startswith(f"::error file={file},line=2,col=36::unknown key 'prio'")
    assert f"\n{file}:2:36: error:" in output


def test_what_an_annotation_may_not_hold_is_escaped() -> None:
    problem = ConfigProblem("100%\nx", "a,b:c.yml", 1, 2, severity="notice")
    assert github_annotation(problem) == ("::warning file=a%2Cb%3Ac.yml,line=1,col=2::100%25%0Ax")


def test_strict_takes_notices_for_errors(file: Path) -> None:
    file.write_text("controller: {}\n" + GOOD)
    assert call("check", "--config", file).exit_code == 0
    assert call("check", "--strict", "--config", file).exit_code == 78


def test_an_unknown_model_is_found_by_the_catalogue(file: Path) -> None:
    file.write_text("component: {model: realesrgan-x4plsu}\n" + GOOD)
    assert "realesrgan-x4plus" in call("check", "--config", file).stdout


def test_a_scale_that_is_not_the_models_own_is_a_scale_like_any(file: Path) -> None:
    file.write_text("component: {scale: 2}\n" + GOOD)
    assert call("check", "--strict", "--config", file).exit_code == 0


def test_variables_can_be_given(file: Path, tmp_path: Path) -> None:
    file.write_text("rules: {a: {watch: $IN, output: $OUT}}")
    (tmp_path / "x.env").write_text("OUT=/o\n")
    result = call(
        "show", "--config", file, "-e", "IN=/i", "--env-file", tmp_path / "x.env", "--json"
    )
    rule = json.loads(result.output)["rules"]["a"]
    assert (rule["watch"], rule["output"]["folder"]) == (["/i"], "/o")
    with pytest.raises(UsageError):
        call("check", "--config", file, "-e", "IN")


def test_what_was_written_can_be_shown_with_its_places(file: Path) -> None:
    file.write_text("rules: {a: {watch: $IN, output: $OUT}}\ncomponent: {model: {token: t}}\n")
    result = call("show", "--config", file, "--no-interpolate", "--origin")
    assert result.output.splitlines() == [
        f'{file}:1:20\trules.a.watch = "$IN"',
        f'{file}:1:33\trules.a.output.folder = "$OUT"',
        f'{file}:2:28\tcomponents.__component__.model.token = "(set)"',
    ]


def test_a_shown_configuration_hides_tokens(file: Path) -> None:
    file.write_text("component: {model: {repository: a/b, filename: c, token: hf_x}}\n" + GOOD)
    for arguments in (
        ["--json"],
        [],
        ["--no-interpolate"],
        ["--origin"],
        ["--no-interpolate", "--json"],
    ):
        assert "hf_x" not in call("show", "--config", file, *arguments).output


def test_showing_a_broken_one_raises_its_problems(file: Path) -> None:
    file.write_text(BAD)
    with pytest.raises(ConfigProblems):
        call("show", "--config", file)


def test_init_writes_a_configuration_that_holds_and_never_replaces_one(home: Path) -> None:
    target = home / ".config" / "upscaled" / "upscaled.yml"
    assert call("init").stdout == f"{target}\n"
    assert json.loads(target.with_name("upscaled.schema.json").read_text())["properties"]
    assert call("path").output == f"{target}\n"
    assert call("check").exit_code == 0
    with pytest.raises(UsageError, match="exists already"):
        call("init")
    target.write_text("mine")
    call("init", "--force")
    assert target.read_text() != "mine"


def test_without_any_file_the_default_holds(home: Path) -> None:
    result = call("path")
    assert result.stdout == f"{home / '.config' / 'upscaled' / 'upscaled.yml'}\n"
    assert "does not exist" in result.stderr
    assert (
        call("check").output == "no configuration, the built-in default: valid, 1 rule (photos)\n"
    )
    shown: dict[str, Any] = json.loads(call("show", "--json").output)
    assert shown["rules"]["photos"]["output"]["folder"] == str(home / "Upscale" / "outbox")


def test_the_variable_names_several_files(tmp_path: Path) -> None:
    names = f"{tmp_path / 'a.yml'}:{tmp_path / 'b.yml'}"
    output = call("path", env={"UPSCALED_CONFIG": names}).output
    assert output.splitlines() == names.split(":")


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    result = call("check", "--config", tmp_path / "none.yml")
    assert result.exit_code == 78
    assert "none.yml: error: cannot be read: No such file or directory" in result.stdout
