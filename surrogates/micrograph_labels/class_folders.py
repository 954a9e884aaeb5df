"""One folder for each class of images, as the published SEM sets have it (Aversa et al., Sci. Data 5, 180172, 2018)."""

from __future__ import annotations

from pathlib import Path

from envs.errors import UserError
from surrogates.micrograph_labels.vocabulary import ClassifiedSet, images_in


def class_folders(folder: Path) -> list[Path]:
    """The folders in a folder that hold images; their names are the classes."""
    inside = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    return [each for each in inside if images_in(each)]


def read_class_folders(folders: list[Path]) -> ClassifiedSet:
    """The images of each class; they are not opened yet.

    Raises:
        UserError: when there are fewer than two classes, or one has fewer than two images.
    """
    if len(folders) < 2:
        raise UserError(f"{folders[0].parent}: has one class only; a folder for each of two classes or more is needed")
    files: list[Path] = []
    members: list[int] = []
    for number, folder in enumerate(folders):
        own = images_in(folder)
        if len(own) < 2:
            raise UserError(f"{folder}: one image is too few to learn a class from; add more")
        files += own
        members += [number] * len(own)
    return ClassifiedSet(tuple(each.name for each in folders), tuple(files), tuple(members))
