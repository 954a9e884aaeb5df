"""Users' labelled images are read as they meant them; what is wrong is one error that says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from envs.errors import UserError
from surrogates.micrograph_labels.folder import read_labelled
from surrogates.micrograph_labels.vocabulary import ClassifiedSet, LabelledSet, split, stratified_split

SHAPE = (48, 64)


def _image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, SHAPE, dtype=np.uint8)).save(path)


def _mask(path: Path, values: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def _halves(value: int = 1) -> npt.NDArray[np.uint8]:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[:, 32:] = value
    return mask


def _read(folder: Path, labels: str = "") -> LabelledSet:
    found = read_labelled(folder, labels)
    assert isinstance(found, LabelledSet)
    return found


def test_masks_beside_images_are_read_with_a_file_of_classes(tmp_path: Path) -> None:
    mask = _halves(2)
    mask[0] = 1
    mask[1] = 9
    _image(tmp_path / "a.png")
    _mask(tmp_path / "a_mask.png", mask)
    (tmp_path / "classes.toml").write_text('1 = "phase"\n2 = "Gamma Prime"\n9 = "ignore"\n')
    found = _read(tmp_path)
    assert found.channels == ("phase", "gamma_prime")
    truth = found.images[0].truth
    assert (truth[:, 1] == -1).all()
    assert (truth[0, 0] == 1).all()
    assert (truth[1, 2:] == (mask[2:] == 2)).all()


def test_the_command_line_wins_over_the_file_and_two_values_may_be_one_channel(tmp_path: Path) -> None:
    mask = _halves(2)
    mask[0] = 1
    _image(tmp_path / "images" / "a.jpg")
    _mask(tmp_path / "masks" / "a.png", mask)
    (tmp_path / "classes.json").write_text('{"1": "pore"}')
    found = _read(tmp_path, "1=phase, 2=phase")
    assert found.channels == ("phase",)
    assert (found.images[0].truth[0] == (mask > 0)).all()


def test_soft_edges_of_one_thing_are_cut_at_half(tmp_path: Path) -> None:
    mask = _halves(255)
    mask[:, 31] = 100
    mask[:, 32] = 140
    _image(tmp_path / "a.png")
    _mask(tmp_path / "a_mask.png", mask)
    truth = _read(tmp_path, "255=boundary").images[0].truth[0]
    assert (truth.sum(axis=1) == 32).all()


def test_colours_and_palettes_are_values_too(tmp_path: Path) -> None:
    _image(tmp_path / "colour" / "a.png")
    rgb = np.zeros((*SHAPE, 3), dtype=np.uint8)
    rgb[:, 32:] = (255, 0, 0)
    _mask(tmp_path / "colour" / "a_mask.png", rgb)
    coloured = _read(tmp_path / "colour", "#FF0000=crack").images[0].truth
    _image(tmp_path / "palette" / "a.png")
    indexed = Image.fromarray(_halves(3)).convert("P")
    indexed.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 255, 0, 0])
    indexed.putdata(list(_halves(3).ravel().tolist()))
    indexed.save(tmp_path / "palette" / "a_mask.png")
    by_index = _read(tmp_path / "palette", "3=crack").images[0].truth
    by_colour = _read(tmp_path / "palette", "#ff0000=crack").images[0].truth
    assert (coloured[0] == _halves()).all()
    assert (by_index == coloured).all()
    assert (by_colour == coloured).all()


def test_a_mask_that_nobody_explained_says_what_to_write(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    _mask(tmp_path / "a_mask.png", _halves(255))
    with pytest.raises(UserError, match=r"a_mask\.png: the mask has the values 0, 255; say .*classes\.toml.*--labels"):
        read_labelled(tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("1=phase", r"values 2 are not in --labels"),
        ("phase", "not VALUE=NAME"),
        ("1=background", "names nothing to learn"),
        ("x=phase", "neither a value"),
        ("1=9%", "no name for a channel"),
    ],
)
def test_labels_that_do_not_fit_are_named(tmp_path: Path, labels: str, message: str) -> None:
    mask = _halves(2)
    mask[0] = 1
    _image(tmp_path / "a.png")
    _mask(tmp_path / "a_mask.png", mask)
    with pytest.raises(UserError, match=message):
        read_labelled(tmp_path, labels)


def test_files_that_do_not_belong_together_are_named(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    _mask(tmp_path / "a_mask.png", _halves()[:20])
    with pytest.raises(UserError, match=r"a_mask\.png: the mask is 64 x 20 pixels, its image a\.png 64 x 48"):
        read_labelled(tmp_path, "1=phase")
    _image(tmp_path / "b.png")
    with pytest.raises(UserError, match=r"b\.png: an image without its mask"):
        read_labelled(tmp_path, "1=phase")
    (tmp_path / "b.png").unlink()
    (tmp_path / "a.png").unlink()
    with pytest.raises(UserError, match=r"a_mask\.png: a mask without its image"):
        read_labelled(tmp_path, "1=phase")
    _image(tmp_path / "a.png")
    (tmp_path / "a_mask.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"a_mask\.png: not a mask that can be read"):
        read_labelled(tmp_path, "1=phase")


def test_an_empty_or_missing_folder_says_what_may_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no labelled images in it; give NAME\.png"):
        read_labelled(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        read_labelled(tmp_path / "elsewhere")


def _coco(folder: Path, **changes: Any) -> Path:
    _image(folder / "images" / "a.png")
    square = np.zeros(SHAPE, dtype=np.uint8, order="F")
    square[8:16, 4:20] = 1
    packed = coco_mask.encode(square)
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate(([0], square.ravel("F"), [0])))), prepend=0)
    data = {
        "images": [{"id": 7, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "Pore"}, {"id": 2, "name": "oxide scale"}, {"id": 3, "name": "doubtful"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "segmentation": [[4, 8, 20, 8, 20, 16, 4, 16]]},
            {"id": 2, "image_id": 7, "category_id": 2,
             "segmentation": {"size": [48, 64], "counts": packed["counts"].decode()}},
            {"id": 3, "image_id": 7, "category_id": 3,
             "segmentation": {"size": [48, 64], "counts": [*runs.tolist(), square.size - int(runs.sum())]}},
        ],
        **changes,
    }  # fmt: skip
    path = folder / "annotations.json"
    path.write_text(json.dumps(data))
    return path


def test_coco_polygons_and_both_run_lengths_are_the_same_square(tmp_path: Path) -> None:
    _coco(tmp_path)
    found = _read(tmp_path)
    assert found.channels == ("pore", "oxide_scale", "doubtful")
    square = np.zeros(SHAPE, dtype=np.int8)
    square[8:16, 4:20] = 1
    for truth in found.images[0].truth:
        assert (truth == square).all()


def test_coco_categories_can_be_renamed_and_doubtful_ones_ignored(tmp_path: Path) -> None:
    path = _coco(tmp_path)
    found = _read(path, "oxide scale=phase, doubtful=ignore")
    assert found.channels == ("pore", "phase")
    assert (found.images[0].truth[:, 8:16, 4:20] == -1).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 7, "file_name": "gone.png"}]}, r"its image gone\.png is not there"),
        ({"images": [{"id": 7, "file_name": "a.png", "width": 10, "height": 10}]}, "says 10 x 10 pixels"),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [0, 0, 2, 2]}]}, "no segmentation"),
        ({"annotations": [{"id": 5, "image_id": 8, "category_id": 1}]}, "belongs to image 8"),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 9}]}, "has category 9"),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "segmentation": [[1, 2]]}]}, "cannot be read"),
        ({"images": []}, "belongs to image 7"),
        ({"categories": []}, "no categories"),
    ],
)
def test_what_is_wrong_in_a_coco_file_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = _coco(tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        read_labelled(path)


def test_class_folders_are_classes(tmp_path: Path) -> None:
    for name, number in (("Powder", 3), ("Fibres", 2)):
        for k in range(number):
            _image(tmp_path / name / f"{k}.png", k)
    found = read_labelled(tmp_path)
    assert isinstance(found, ClassifiedSet)
    assert found.classes == ("Fibres", "Powder")
    assert found.members == (0, 0, 1, 1, 1)
    (tmp_path / "Powder" / "0.png").unlink()
    (tmp_path / "Powder" / "1.png").unlink()
    with pytest.raises(UserError, match="Powder: one image is too few"):
        read_labelled(tmp_path)


def test_few_images_are_all_trained_on_and_a_share_of_many_is_held_out() -> None:
    rng = np.random.default_rng(0)
    assert split(4, 0.2, rng) == ((0, 1, 2, 3), ())
    trained, held = split(20, 0.2, rng)
    assert (len(trained), len(held)) == (16, 4)
    assert sorted(trained + held) == list(range(20))
    kept, out = stratified_split([0] * 10 + [1] * 5 + [2] * 2, 0.2, rng)
    assert [sum(k < 10 for k in out), sum(10 <= k < 15 for k in out), sum(k >= 15 for k in out)] == [2, 1, 0]
    assert len(kept) == 14
