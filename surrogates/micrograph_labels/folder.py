"""Which form a folder of labelled images has, and its content."""

from __future__ import annotations

from pathlib import Path

from envs.errors import UserError
from surrogates.micrograph_labels.class_folders import class_folders, read_class_folders
from surrogates.micrograph_labels.coco import coco_file, read_coco
from surrogates.micrograph_labels.declaration import declared, renamed
from surrogates.micrograph_labels.mask_pairs import pairs_in, read_pairs
from surrogates.micrograph_labels.vocabulary import ClassifiedSet, LabelledSet

FORMS = "NAME.png beside NAME_mask.png, folders images and masks, a COCO file, or a folder for each class"


def read_labelled(path: Path, labels: str = "") -> LabelledSet | ClassifiedSet:
    """Read a folder of labelled images, or a COCO file.

    Args:
        path: the folder or the JSON file.
        labels: what values or names mean, as ``1=phase,2=crack``; wins over ``classes.toml`` in the folder.

    Raises:
        UserError: when there is nothing to learn from, or something in it is wrong.
    """
    if path.is_file() and path.suffix.lower() == ".json":
        return read_coco(path, renamed(path.parent, labels))
    if not path.is_dir():
        raise UserError(f"{path}: no such folder of labelled images, nor a COCO file; give {FORMS}")
    file = coco_file(path)
    if file is not None:
        return read_coco(file, renamed(path, labels))
    pairs = pairs_in(path)
    if pairs:
        return read_pairs(pairs, declared(path, labels))
    folders = class_folders(path)
    if folders:
        return read_class_folders(folders)
    raise UserError(f"{path}: no labelled images in it; give {FORMS}")
