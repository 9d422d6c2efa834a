import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from upscaled.cli.commands.models import models_group
from upscaled.errors import ModelUnknown
from upscaled.models.library import Library

SMALL = "realesr-animevideov3"


def models(*words: str) -> Result:
    return CliRunner().invoke(models_group, words)


@pytest.fixture
def folder(home: Path, model_library: Library) -> Path:
    """The models folder that the command uses, with the ncnn files of the catalogue."""
    folder = home / ".local" / "share" / "upscaled" / "models"
    shutil.copytree(model_library.models_dir / "originals", folder / "originals")
    return folder


def listed() -> dict[str, dict[str, object]]:
    report = json.loads(models("list", "--json").stdout)
    assert report["schema_version"] == 1
    return {row["name"]: row for row in report["models"]}


@pytest.mark.usefixtures("folder")
def test_the_list_says_what_is_here_and_under_which_licence() -> None:
    assert not listed()[SMALL]["present"]
    assert models("pull", SMALL).exit_code == 0
    row = listed()[SMALL]
    assert (row["present"], row["licence"], row["scale"]) == (True, "BSD-3-Clause", 4)
    assert (row["architecture"], row["exact_tiling"]) == ("Compact", True)
    assert SMALL in models("list").stdout


def test_a_first_pull_shows_the_licence_and_prints_the_file(folder: Path) -> None:
    first = models("pull", SMALL)
    assert "Licence BSD-3-Clause" in first.stderr
    assert first.stdout == f"{folder / 'catalogue' / SMALL}.safetensors\n"
    again = models("pull", SMALL)
    assert again.stdout == first.stdout
    assert again.stderr == ""


@pytest.mark.usefixtures("home")
def test_of_a_model_that_nobody_knows_the_licence_is_to_be_looked_for() -> None:
    address = "http://127.0.0.1:9/4x.pth"
    pulled = models("pull", address)
    assert pulled.stderr.startswith(f"{address}: look for its licence where it comes from\n")


@pytest.mark.usefixtures("folder")
def test_a_pull_without_names_takes_what_the_configuration_names(
    home: Path, tmp_path: Path
) -> None:
    (home / "in").mkdir()
    config = tmp_path / "upscaled.yml"
    config.write_text(
        f"component: {{id: video, type: model, task: image-upscale, model: {SMALL}}}\n"
        f"rules: {{a: {{watch: {home}/in, component: video, output: {{folder: {home}/out}}}}}}\n"
    )
    pulled = models("pull", "--config", str(config))
    assert pulled.exit_code == 0, pulled.stderr
    assert pulled.stdout.endswith(f"{SMALL}.safetensors\n")


@pytest.mark.usefixtures("folder")
def test_an_alias_is_told() -> None:
    pulled = models("pull", "RealESRGAN_anime.pth")
    assert "realesrgan-x4plus-anime is used" in pulled.stderr


def test_verify_finds_damage_and_says_what_to_do(folder: Path) -> None:
    models("pull", SMALL)
    assert models("verify").exit_code == 0
    path = folder / "catalogue" / f"{SMALL}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    verified = CliRunner().invoke(models_group, ["verify"], standalone_mode=False)
    assert verified.return_value == 1
    assert "damaged" in verified.stderr
    assert "→" in verified.stderr
    assert models("pull", SMALL).exit_code == 0
    assert "sound" in models("verify", SMALL).stdout


@pytest.mark.usefixtures("folder")
def test_remove_says_what_it_freed() -> None:
    models("pull", SMALL)
    assert "MB freed" in models("remove", SMALL).stdout
    assert "nothing was kept" in models("remove", SMALL).stdout
    assert not listed()[SMALL]["present"]


def test_an_unknown_name_is_an_error_of_ours() -> None:
    assert isinstance(models("pull", "nope").exception, ModelUnknown)
