import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaled.errors import UpscaledError, UsageError
from upscaled.models.model_source import ModelSource, Provider, parse_source

HF = Provider.HUGGINGFACE
PIN = "a" * 64

WORD = st.text("abcXYZ019._-", min_size=1, max_size=12).map(lambda word: f"x{word}")
HASH = st.none() | st.text("0123456789abcdef", min_size=64, max_size=64)
FILENAME = st.lists(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1),
    min_size=1,
    max_size=3,
).map("/".join)
SOURCES = st.one_of(
    st.builds(
        ModelSource,
        st.sampled_from([HF, Provider.PYPI]),
        repository=st.builds("{}/{}".format, WORD, WORD),
        filename=st.none() | FILENAME.filter(lambda name: not {"", ".", ".."} & {*name.split("/")}),
        revision=st.none() | WORD | st.just("refs/pr/7"),
        sha256=HASH,
        local_files_only=st.booleans(),
    ),
    st.builds(ModelSource, st.just(Provider.NAMED), name=WORD, sha256=HASH),
    st.builds(ModelSource, st.just(Provider.LOCAL), path=WORD.map(lambda word: Path("/m", word))),
    st.builds(
        ModelSource,
        st.just(Provider.URL),
        url=WORD.map(lambda word: f"https://example.org/{word}?a=b"),
        sha256=HASH,
        local_files_only=st.booleans(),
    ),
)


@given(source=SOURCES)
def test_every_source_is_read_back_from_its_line(source: ModelSource) -> None:
    assert parse_source(str(source)) == source


@given(line=st.text())
def test_no_line_makes_the_parser_raise_anything_of_its_own(line: str) -> None:
    with contextlib.suppress(UpscaledError):
        assert parse_source(line).provider


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("realesrgan-x4plus", ModelSource(Provider.NAMED, name="realesrgan-x4plus")),
        (
            "huggingface:ai-forever/Real-ESRGAN:RealESRGAN_x4.pth",
            ModelSource(HF, repository="ai-forever/Real-ESRGAN", filename="RealESRGAN_x4.pth"),
        ),
        ("qualcomm/ESRGAN", ModelSource(HF, repository="qualcomm/ESRGAN")),
        (
            f"huggingface:a/b@v1:dir/x%23.pth#sha256={PIN.upper()}&local_files_only=1",
            ModelSource(
                HF,
                repository="a/b",
                filename="dir/x#.pth",
                revision="v1",
                sha256=PIN,
                local_files_only=True,
            ),
        ),
        (
            "https://huggingface.co/a/b/blob/main/dir/x%20y.pth?download=true",
            ModelSource(HF, repository="a/b", filename="dir/x y.pth", revision="main"),
        ),
        ("/m/a#b:c.pth", ModelSource(Provider.LOCAL, path=Path("/m/a#b:c.pth"))),
        ("./x.pth", ModelSource(Provider.LOCAL, path=Path.cwd() / "x.pth")),
    ],
)
def test_the_forms_of_the_documentation_mean_what_it_says(line: str, source: ModelSource) -> None:
    assert parse_source(line) == source


def test_a_home_folder_is_expanded(home: Path) -> None:
    assert parse_source("~/x.pth").path == home / "x.pth"


@pytest.mark.parametrize(
    "line",
    [
        *("", " ", "x\0y", "hugginface:a/b", "huggingface:", "huggingface:a/b/c:x.pth"),
        *("huggingface:a/b:../x.pth", "huggingface:a/b:/x.pth", "huggingface:a/b:x//y"),
        *("huggingface:a/b:%2e%2e/x.pth", "huggingface:a/b:x%00.pth", "https://", "https://[x/y"),
        *("https://huggingface.co/a/b/blob/main/%2e%2e/x.pth", "http://h:x/y", "http://h/a b"),
        *("x#sha256=12", "x#md5=1", "x#sha256", "s3://bucket/x.pth", "C:\\models\\x.pth"),
    ],
)
def test_what_is_no_source_is_refused(line: str) -> None:
    with pytest.raises(UsageError):
        parse_source(line)


def test_a_file_of_a_repository_without_its_prefix_is_told_how_to_be_written() -> None:
    with pytest.raises(UsageError) as caught:
        parse_source("someone/models:x4.pth")
    assert caught.value.hint == "did you mean huggingface:someone/models:x4.pth?"
