"""Names that are nobody's picture: half-written, hidden, or left behind by a program.

Only names are judged, each for itself, so that a temporary file which is renamed to its final
name is simply another name, and a candidate.
"""

import os
from pathlib import Path

from upscaled.watch.seen import join
from upscaled.watch.spec import InboxSpec

# Browsers, download and sync programs while they write. Sources: the ignore lists of
# paperless-ngx and Syncthing, and the names the programs document.
_TEMPORARY_ENDS = (
    b"~",  # editors' backups
    b".part",  # Firefox, KDE, curl, yt-dlp
    b".partial",  # Edge, Internet Explorer
    b".crdownload",  # Chrome
    b".download",  # Safari
    b".opdownload",  # Opera
    b".filepart",  # WinSCP
    b".tmp",
    b".temp",
    b".swp",  # vim
    b".aria2",
    b".!ut",  # uTorrent
    b".!qb",  # qBittorrent
    b".!sync",  # Resilio Sync
    b".ytdl",
    b".lftp-pget-status",
    b".kate-swp",
    b".drivedownload",  # Google Drive
    b".driveupload",
    b"-journal",  # SQLite
    b".upscaled.source",  # ours: a source that is being moved or deleted
)
_TEMPORARY_STARTS = (
    b"._",  # macOS: resource forks
    b".~",  # LibreOffice locks, Nextcloud, rsync --delay-updates
    b"~$",  # Microsoft Office locks
    b".goutputstream-",  # GLib
    b".syncthing.",
    b"~syncthing~",
    b".nfs",  # NFS: deleted, but still open
    b".fuse_hidden",  # FUSE: deleted, but still open
    b".owncloudsync",
    b".seaf-",
)
_LITTER = frozenset((b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b".ds_store", b"icon\r"))
_LITTER_FOLDERS = frozenset(
    (
        b"@eadir",  # Synology thumbnails
        b"#recycle",
        b"@recycle",
        b"__macosx",
        b".stfolder",
        b".stversions",
        b".tmp.drivedownload",
        b".tmp.driveupload",
        b".dropbox.cache",
        b"$recycle.bin",
        b".trash",
        b".trashes",  # macOS
        b"system volume information",
        b"lost+found",
    )
)
_TRASH_START = b".trash-"  # of a disk: freedesktop.org's Trash specification
_IMAGE_ENDS = tuple(
    b"." + end
    for end in (
        b"avif bmp dng exr gif hdr heic heif j2k jfif jp2 jpe jpeg jpg jxl pbm pgm png pnm ppm "
        b"psd tga tif tiff webp"
    ).split()
)


def is_passed_over(name: bytes, *, hidden: bool) -> bool:
    """Whether a file of this name is never a candidate. `hidden`: dot files are welcome."""
    lower = name.lower()
    return (
        (name.startswith(b".") and not hidden)
        or lower.endswith(_TEMPORARY_ENDS)
        or lower.startswith(_TEMPORARY_STARTS)
        or lower in _LITTER
    )


def is_closed_folder(name: bytes, *, hidden: bool) -> bool:
    """Whether nobody looks into a folder of this name."""
    lower = name.lower()
    return (
        (name.startswith(b".") and not hidden)
        or lower in _LITTER_FOLDERS
        or lower.startswith(_TRASH_START)
    )


def is_image_like(name: bytes) -> bool:
    """Whether a user would expect a result from it, even where it is a pipe or a directory."""
    return name.lower().endswith(_IMAGE_ENDS)


def unfinished_names(name: bytes) -> tuple[bytes, ...]:
    """Names under which the bytes may be arriving while `name` itself is still empty.

    Firefox reserves the final name with an empty file for as long as the download takes.
    """
    return name + b".part", name + b".crdownload", name + b".download"


class Selection:
    """The spec's answer for one entry; where excluded folders are is read anew by `refresh`."""

    def __init__(self, spec: InboxSpec, root: bytes) -> None:
        self._spec = spec
        self._root = root
        self._excluded_paths: frozenset[bytes] = frozenset()
        self._excluded_marks: frozenset[tuple[int, int]] = frozenset()

    def refresh(self) -> None:
        """Find the excluded folders: by path, and by identity for bind mounts and symlinks."""
        paths, marks = set(), set()
        for path in self._spec.excluded:
            paths.add(os.path.abspath(os.fsencode(path)))  # noqa: PTH100 - bytes: names need not be UTF-8
            try:
                status = path.stat()
            except OSError:
                continue
            marks.add((status.st_dev, status.st_ino))
        self._excluded_paths, self._excluded_marks = frozenset(paths), frozenset(marks)

    def takes(self, path: bytes, name: bytes) -> bool:
        """Whether a file at `path` (below the root) is wanted."""
        if is_passed_over(name, hidden=self._spec.hidden):
            return False
        if self._excluded_paths and join(self._root, path) in self._excluded_paths:
            return False
        wants = self._spec.wants
        return wants is None or wants(Path(os.fsdecode(path)))

    def enters(self, path: bytes, name: bytes, status: os.stat_result) -> bool:
        """Whether the folder at `path` (below the root) is looked into."""
        return (
            self._spec.recursive
            and not is_closed_folder(name, hidden=self._spec.hidden)
            and (status.st_dev, status.st_ino) not in self._excluded_marks
            and join(self._root, path) not in self._excluded_paths
        )
