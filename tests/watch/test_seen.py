"""What is remembered of a tree, and what it costs."""

import tracemalloc

from upscaled.watch.seen import UNWANTED, Seen, join, split


def test_a_file_counts_once_and_an_unwanted_one_not_at_all() -> None:
    seen = Seen()
    seen.open(b"", 1, 1)
    for _ in range(2):
        seen.put(b"", b"a.png", 5)
        seen.put(b"", b"a.txt", UNWANTED)
    assert seen.files == 1
    seen.put(b"", b"a.txt", 6)
    assert seen.files == 2
    for name in (b"a.png", b"a.txt", b"never"):
        seen.drop(b"", name)
    assert seen.files == 0


def test_a_file_in_a_folder_that_was_never_listed_is_not_remembered() -> None:
    seen = Seen()
    seen.put(b"nowhere", b"a.png", 5)
    assert seen.files == 0
    assert seen.folder(b"nowhere") is None


def test_a_tree_is_forgotten_with_all_its_branches_and_no_other() -> None:
    seen = Seen()
    for path in (b"", b"a", b"a/b", b"a/b/c", b"ab"):
        folder, name = split(path)
        if path:
            parent = seen.folder(folder)
            assert parent is not None
            parent.subfolders.add(name)
        seen.open(path, 1, 1)
        seen.put(path, b"x.png", 7)
    assert sorted(seen.drop_tree(b"a")) == [b"a", b"a/b", b"a/b/c"]
    assert seen.files == 2
    assert seen.folder(b"ab") is not None
    assert seen.drop_tree(b"a") == []


def test_a_folder_that_was_replaced_keeps_what_was_seen_in_it() -> None:
    seen = Seen()
    seen.open(b"", 1, 1)
    seen.put(b"", b"a.png", 5)
    folder = seen.open(b"", 2, 9)
    assert (folder.device, folder.inode, folder.names) == (2, 9, {b"a.png": 5})


def test_paths_are_joined_and_split_at_the_root_too() -> None:
    for folder, name in ((b"", b"a"), (b"a", b"b"), (b"a/b", b"c\n\xff")):
        assert split(join(folder, name)) == (folder, name)


def test_a_hundred_thousand_files_take_less_than_twenty_megabytes() -> None:
    tracemalloc.start()
    try:
        seen = Seen()
        seen.open(b"", 1, 1)
        for number in range(100_000):
            seen.put(b"", b"IMG_2024_%06d.jpg" % number, hash((number, number)))
        used_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen.files == 100_000
    assert used_bytes < 20e6
