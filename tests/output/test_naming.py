"""Names of results: what people asked for, and never one that a file system refuses."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaled.output.naming import FIELDS, NameParts, candidates, numbered

PARTS = NameParts(
    source=Path("/inbox/sub/holiday.photo.jpg"),
    ext="png",
    scale=4,
    model="realesrgan-x4plus",
    width_px=400,
    height_px=300,
    rule="photos",
    content_sha256="0123456789abcdef" * 4,
    done_at=1_800_000_000.0,
)


def names(template: str, parts: NameParts = PARTS, most: int = 3) -> list[str]:
    return list(islice(candidates(template, parts), most))


def test_the_plain_name_comes_first_then_numbers() -> None:
    assert names("{stem}_{scale}x.{ext}") == [
        "holiday.photo_4x.png",
        "holiday.photo_4x-2.png",
        "holiday.photo_4x-3.png",
    ]


def test_the_number_stands_where_the_template_has_it() -> None:
    assert names("{n}-{stem}.{ext}") == [f"{n}-holiday.photo.png" for n in (1, 2, 3)]


def test_every_field_has_its_value() -> None:
    template = "+".join(f"{{{field}}}" for field in FIELDS)
    values = "holiday.photo+png+4+realesrgan-x4plus+400+300+photos+2027-01-15+01234567+1"
    assert names(template)[0] == values


def test_a_model_that_is_a_file_stands_for_its_name() -> None:
    assert names("{model}", replace(PARTS, model="/models/my net.pth"))[0] == "my net"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/inbox/.hidden.png", "_hidden_4x.png"),
        ("/inbox/..png", "__4x.png"),
        ("/inbox/...a.png", "_..a_4x.png"),
    ],
)
def test_no_result_is_hidden(source: str, name: str) -> None:
    assert names("{stem}_{scale}x.{ext}", replace(PARTS, source=Path(source)))[0] == name


def test_a_long_name_is_cut_at_its_stem() -> None:
    long = replace(PARTS, source=Path("/inbox") / ("日" * 83 + ".png"))
    first, second, _ = names("{stem}_{scale}x.{ext}", long)
    assert first == "日" * 82 + "_4x.png"
    assert second == "日" * 82 + "_4x-2.png"
    assert len(second.encode()) <= 255


def test_where_another_field_is_too_long_the_extension_stays() -> None:
    long = replace(PARTS, rule="r" * 300)
    for name in names("{stem}-{rule}.{ext}", long):
        assert len(name.encode()) <= 255
        assert name.endswith(".png")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0{}"), max_size=120)
STEMS = st.one_of(
    TEXTS.map(lambda text: text.replace("/", "_")),
    st.binary(max_size=250).map(
        lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_").decode("utf-8", "surrogateescape")
    ),
)
TEMPLATES = st.lists(
    st.sampled_from([f"{{{field}}}" for field in FIELDS]) | TEXTS, min_size=1, max_size=6
).map("".join)


@settings(deadline=None)
@given(template=TEMPLATES, stem=STEMS, rule=TEXTS, model=TEXTS, ext=st.sampled_from(["png", "jpg"]))
def test_whatever_goes_in_a_file_can_be_made_of_what_comes_out(
    template: str, stem: str, rule: str, model: str, ext: str
) -> None:
    source = Path("/inbox") / f"x{stem}.png"
    parts = replace(PARTS, source=source, rule=rule, model=model, ext=ext)
    found = names(template, parts, 12)
    for name in found:
        raw = name.encode("utf-8", "surrogateescape")
        assert 0 < len(raw) <= 255
        assert b"/" not in raw
        assert b"\0" not in raw
        assert name not in (".", "..")
        assert not name.startswith(".")


@settings(deadline=None)
@given(stem=STEMS)
def test_numbers_make_different_names_that_fit(stem: str) -> None:
    name = f"x{stem}.png"
    raw = name.encode("utf-8", "surrogateescape")
    if len(raw) > 255:
        return
    found = [numbered(name, number) for number in (1, 2, 10, 10_000)]
    assert found[0] == name
    assert len(set(found)) == 4
    assert all(len(one.encode("utf-8", "surrogateescape")) <= 255 for one in found)


@settings(deadline=None)
@given(stem=STEMS)
def test_candidates_without_a_number_field_differ(stem: str) -> None:
    parts = replace(PARTS, source=Path("/inbox") / f"x{stem}.png")
    found = names("{stem}_{scale}x.{ext}", parts, 12)
    assert len(set(found)) == 12
    assert all(name.endswith(".png") for name in found)
