"""The model card says what the file says of itself, and no more."""

from __future__ import annotations

from surrogates.micrograph_card import card

METADATA = {
    "file": "micrograph.safetensors",
    "network": {"channels": ["boundary", "pore"], "weights": 342696},
    "training": {"steps": 18000, "learning_rate": 0.003},
    "seeds": {"training": 20261123},
    "data": "virtual micrographs alone",
}


def test_a_card_without_figures_says_that_none_were_measured() -> None:
    text = card(METADATA)
    assert text.startswith("# Model card: micrograph.safetensors\n")
    assert "whether it is boundary or pore" in text
    assert "steps: 18000; learning rate: 0.003" in text
    assert "training: 20261123" in text
    assert "weights: 342696" in text
    assert "Not measured yet" in text
    assert "Learned from virtual images" in text
    assert "## Split" not in text


def test_figures_are_tables_and_the_users_own_images_are_named() -> None:
    text = card(
        METADATA
        | {
            "base": "builtin",
            "data": {"images": 3, "form": "mask pairs", "channels": ["phase"]},
            "split": {"trained": ["a.png", "b|c.png"], "held_out": ["d.png"]},
        },
        {"phase": {"before": {"iou": 0.1}, "after": {"iou": 0.93217}}, "speed": {"seconds": 0.2}},
    )
    assert "| before | 0.1 |\n| after | 0.9322 |" in text
    assert "| seconds | 0.2 |" in text
    assert "Judged with 1: d.png" in text
    assert "want checking by hand" in text


def test_classes_are_told() -> None:
    assert "sorts the picture as one of powder, film or fibres" in card({"own_classes": ["powder", "film", "fibres"]})
