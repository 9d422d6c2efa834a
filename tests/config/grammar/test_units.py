import pytest

from upscaled.config.grammar import name_template, units
from upscaled.config.grammar.name_template import complaint
from upscaled.output.naming import FIELDS

ALL = "".join(f"{{{field}}}" for field in FIELDS)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("5m", 300), ("500ms", 0.5), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800),
     ("1w", 604_800), (7, 7), (0.25, 0.25), ("7", 7), ("5 m", 300), ("5M", 300), (0, 0)],
)  # fmt: skip
def test_a_duration(written: object, seconds: float) -> None:
    assert units.seconds(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["", "s", "-1s", "1x", "5m3", True, None, [], -1, "inf", "1e3"])
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        units.seconds(written)


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [("4GB", 4_000_000_000), ("4GiB", 2**32), ("512MiB", 2**29), ("1.5 gb", 1_500_000_000),
     ("10k", 10_000), ("7", 7), (7, 7), ("2T", 2_000_000_000_000)],
)  # fmt: skip
def test_a_size(written: object, size_bytes: int) -> None:
    assert units.size_bytes(written) == size_bytes


@pytest.mark.parametrize("written", ["", "GB", "-1GB", "4XB", True, None, "99999999999TB"])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"size|machine"):
        units.size_bytes(written)


def test_a_share() -> None:
    assert units.share("50%") == 0.5
    assert units.share("50") is None
    with pytest.raises(ValueError, match="not between"):
        units.share("0%")


@pytest.mark.parametrize(
    "template",
    ["{stem}_{scale}x.{ext}", "{n}.{ext}", "{{{stem}}}.{ext}", "照片-{stem}.{ext}", "x.png", ALL],
)
def test_a_name_that_can_be_rendered(template: str) -> None:
    assert complaint(template) is None


@pytest.mark.parametrize(
    ("template", "offset"),
    [("{stem}{x}", 6), ("{}", 0), ("{0}", 0), ("{stem!r}", 0), ("{stem:>9}", 0), ("{stem.x}", 0),
     ("{stem", 0), ("stem}", 4), ("a/b", 1), ("a\nb", 1), ("", 0), (" ", 0), (".{stem}", 0),
     ("x" * 201, 0), ("{{a}}/{stem}", 5)],
)  # fmt: skip
def test_a_name_that_cannot_be_rendered_says_where(template: str, offset: int) -> None:
    found = complaint(template)
    assert found is not None
    assert found[2] == offset


def test_the_fields_are_those_that_are_rendered() -> None:
    assert set(name_template.FIELDS) == set(FIELDS)
