"""Names alone decide what is half-written, hidden or litter."""

import pytest

from upscaled.watch.ignore import (
    is_closed_folder,
    is_image_like,
    is_passed_over,
    unfinished_names,
)

UNFINISHED = [
    "photo.jpg.part",
    "photo.jpg.partial",
    "Unconfirmed123456.crdownload",
    "photo.jpg.download",
    "photo.jpg~",
    "photo.opdownload",
    "photo.jpg.filepart",
    "photo.tmp",
    "PHOTO.TMP",
    "photo.temp",
    "photo.jpg.aria2",
    "photo.jpg.!ut",
    "photo.jpg.!qB",
    ".goutputstream-X1Y2Z3",
    ".syncthing.photo.jpg.tmp",
    "~syncthing~photo.jpg.tmp",
    "._photo.jpg",
    ".~lock.photo.jpg#",
    ".nfs000000000001",
    ".fuse_hidden0001",
    "~$photo.jpg",
    ".photo.jpg.swp",
]
LITTER = ["Thumbs.db", "THUMBS.DB", "desktop.ini", ".DS_Store", "ehthumbs.db"]
PICTURES = [
    "photo.jpg",
    "IMG 0001.JPG",
    "part.png",
    "a.part.png",
    "tmp.webp",
    "~.png",
    "download.jpg",
    "Bild mit Umlaut ä.png",
]


@pytest.mark.parametrize("name", UNFINISHED + LITTER)
def test_what_programs_leave_behind_or_have_not_finished_is_passed_over(name: str) -> None:
    assert is_passed_over(name.encode(), hidden=False)
    assert is_passed_over(name.encode(), hidden=True)


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_not_passed_over(name: str) -> None:
    assert not is_passed_over(name.encode(), hidden=False)


def test_dot_files_and_folders_are_passed_over_unless_they_are_welcome() -> None:
    assert is_passed_over(b".secret.png", hidden=False)
    assert not is_passed_over(b".secret.png", hidden=True)
    assert is_closed_folder(b".secret", hidden=False)
    assert not is_closed_folder(b".secret", hidden=True)


@pytest.mark.parametrize(
    "name",
    ["@eaDir", "__MACOSX", ".stversions", "$RECYCLE.BIN", ".Trash", ".Trash-1000", ".Trashes"],
)
def test_folders_of_other_programs_stay_closed_even_where_hidden_ones_are_welcome(
    name: str,
) -> None:
    assert is_closed_folder(name.encode(), hidden=True)


def test_names_that_are_not_utf_8_are_judged_like_others() -> None:
    assert is_passed_over(b"caf\xe9.part", hidden=False)
    assert not is_passed_over(b"caf\xe9\n.png", hidden=False)
    assert is_image_like(b"caf\xe9\n.PNG")
    assert not is_image_like(b"png")


def test_a_reserved_name_and_the_download_behind_it_belong_together() -> None:
    assert b"photo.jpg.part" in unfinished_names(b"photo.jpg")
    assert all(is_passed_over(name, hidden=False) for name in unfinished_names(b"photo.jpg"))
