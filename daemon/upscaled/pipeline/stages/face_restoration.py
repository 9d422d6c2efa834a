"""Faces through a network that knows nothing but faces, one after the other."""

from collections.abc import Callable
from dataclasses import replace

from upscaled.errors import StopRequested
from upscaled.image.filters.face_finder import FACE_PX, FaceFinder, cut, pasted
from upscaled.image.picture import Picture
from upscaled.pipeline.protocols import Progress, Upscaler
from upscaled.pipeline.stages.upscale import enlarge

NONE_FOUND = "no face was found"
TOO_LARGE = f"a face larger than the {FACE_PX} px that the network makes was left as it is"


def restore_faces(
    picture: Picture,
    network: Upscaler,
    finder: FaceFinder,
    *,
    strength: float,
    colour_fix: bool,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> tuple[Picture, tuple[str, ...]]:
    """`picture`, changed where its faces are, and what is to be said of it.

    `strength` 0 leaves faces as they are, 1 is the network's.

    Raises:
        BadResult: the detector is none.
        Interrupted, OutOfMemory, DeviceLost, BadResult: as `Upscaler.upscale` says.
    """
    if strength == 0:
        progress(1, 1)
        return picture, ()
    found = finder.find(picture)
    faces = [face for face in found if face.scale >= 1]
    notes = [] if found else [NONE_FOUND]
    if len(faces) < len(found):
        notes.append(TOO_LARGE)
    colour = picture.colour
    for done, face in enumerate(faces):
        if cancelled():
            raise StopRequested
        progress(done, len(faces))
        alone = Picture(cut(picture.colour, face), gray=picture.gray)
        restored = enlarge(
            alone,
            network,
            progress=lambda _done, _total: None,
            cancelled=cancelled,
            colour_fix=colour_fix,
        )
        colour = pasted(colour, restored.colour, face, strength)
    progress(1, 1)
    return replace(picture, colour=colour), tuple(notes)
