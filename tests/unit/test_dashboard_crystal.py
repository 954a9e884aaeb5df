"""The picture of a unit cell: the atoms that a crystallographer would draw, all of it in the frame, well-formed."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree as ET

import pytest
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors

from agent.dashboard.drawing.cell import cell_of, reduced_formula, repeated
from agent.dashboard.drawing.crystal import Size, crystal_svg
from agent.dashboard.drawing.element_table import LOOKS, look_of
from instruments.profile.model_messages import Site, Structure

SVG = "{http://www.w3.org/2000/svg}"
FCC = ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))


def cubic(edge: float, sites: dict[str, tuple[tuple[float, float, float], ...]], group: str = "") -> Structure:
    lattice = ((edge, 0.0, 0.0), (0.0, edge, 0.0), (0.0, 0.0, edge))
    atoms = tuple(Site(element=element, at=at) for element, places in sites.items() for at in places)
    return Structure(lattice=lattice, sites=atoms, space_group=group)


def rock_salt() -> Structure:
    sodium = tuple(((x + 0.5) % 1.0, y, z) for x, y, z in FCC)
    return cubic(5.64, {"Na": sodium, "Cl": FCC}, "Fm-3m")


def diamond() -> Structure:
    return cubic(3.567, {"C": FCC + tuple((x + 0.25, y + 0.25, z + 0.25) for x, y, z in FCC)}, "Fd-3m")


def diboride(shift: float = 0.0) -> Structure:
    a, c = 3.14, 3.47
    lattice = ((a, 0.0, 0.0), (-a / 2, a * math.sqrt(3) / 2, 0.0), (0.0, 0.0, c))
    sites = (("Hf", (shift, -shift, shift)), ("B", (1 / 3, 2 / 3, 0.5)), ("B", (2 / 3, 1 / 3, 0.5)))
    return Structure(
        lattice=lattice, sites=tuple(Site(element=e, at=at) for e, at in sites), space_group="P6/mmm"
    )  # fmt: skip


def drawn(structure: Structure) -> dict[str, int]:
    atoms = [atom.element for atom in cell_of(structure).atoms]
    return {element: atoms.count(element) for element in dict.fromkeys(atoms)}


def test_atoms_on_the_boundary_are_repeated_as_textbooks_draw_them() -> None:
    # Rock salt: 8 corners and 6 faces of chlorine; 12 edges and the body's centre of sodium.
    assert drawn(rock_salt()) == {"Na": 13, "Cl": 14}
    # Diamond: 8 corners, 6 faces and 4 inside.
    assert drawn(diamond()) == {"C": 18}
    assert drawn(diboride()) == {"Hf": 8, "B": 2}


def test_an_atom_a_hair_outside_of_the_cell_is_on_its_boundary() -> None:
    assert drawn(diboride(1e-4)) == {"Hf": 8, "B": 2}
    assert len(repeated((1.0, -1e-9, 0.5))) == 4
    assert repeated((1.25, -0.25, 0.5)) == [(0.25, 0.75, 0.5)]


def test_bonds_join_neighbours_and_metals_not_to_each_other() -> None:
    cell = cell_of(rock_salt())
    # Three directions, nine lines in each, two bonds on each line.
    assert len(cell.bonds) == 54
    assert {frozenset(cell.atoms[i].element for i in bond) for bond in cell.bonds} == {frozenset({"Na", "Cl"})}
    cell = cell_of(diamond())
    lengths = [math.dist(cell.atoms[i].at, cell.atoms[j].at) for i, j in cell.bonds]
    assert lengths == pytest.approx([1.5445] * 16, abs=1e-3)  # each of the four inside has four neighbours
    metal = cubic(2.87, {"Fe": ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))})
    assert len(cell_of(metal).bonds) >= 8  # a pure metal has its own


def test_the_cell_is_turned_and_not_changed() -> None:
    cell = cell_of(diboride())
    a, b, c = cell.axes
    assert [math.hypot(*axis) for axis in (a, b, c)] == pytest.approx([3.14, 3.14, 3.47])
    angle = math.degrees(math.acos(sum(x * y for x, y in zip(a, b, strict=True)) / 3.14**2))
    assert angle == pytest.approx(120.0)
    assert c == pytest.approx((0.0, 0.0, 3.47))
    volume = sum(a[i] * (b[(i + 1) % 3] * c[(i + 2) % 3] - b[(i + 2) % 3] * c[(i + 1) % 3]) for i in range(3))
    assert volume == pytest.approx(3.14**2 * math.sqrt(3) / 2 * 3.47)  # positive: it is not mirrored
    assert len(cell.edges) == 12


@pytest.mark.parametrize("size", ["card", "large"])
@pytest.mark.parametrize("structure", [rock_salt(), diamond(), diboride()], ids=["NaCl", "C", "HfB2"])
def test_all_of_the_picture_is_inside_of_its_frame(structure: Structure, size: Size) -> None:
    root = ET.fromstring(crystal_svg(structure, size=size))  # noqa: S314 - our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    circles = list(root.iter(f"{SVG}circle"))
    elements = len({site.element for site in structure.sites})
    assert len(circles) == len(cell_of(structure).atoms) + (elements if size == "large" else 0)
    for circle in circles:
        x, y, r = (float(circle.attrib[key]) for key in ("cx", "cy", "r"))
        assert r > 1.0
        assert x - r >= 0.0
        assert x + r <= width
        assert y - r >= 0.0
        assert y + r <= height
    for path in root.iter(f"{SVG}path"):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.attrib["d"])]
        assert all(0.0 <= n <= side for n, side in zip(numbers, itertools.cycle((width, height)), strict=False))


def test_the_nearer_is_painted_over_the_farther() -> None:
    root = ET.fromstring(crystal_svg(rock_salt(), size="card"))  # noqa: S314 - our own
    chlorines = [c for c in root.iter(f"{SVG}circle") if c.attrib["fill"].endswith("Cl)")]
    radii = [float(circle.attrib["r"]) for circle in chlorines]
    assert radii == sorted(radii)  # nearer is larger, and comes later
    assert radii[-1] > 1.1 * radii[0]


def test_it_says_what_it_shows() -> None:
    root = ET.fromstring(crystal_svg(diboride(), "HfB2"))  # noqa: S314 - our own
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == "Crystal structure of HfB₂, space group P6/mmm, 3 atoms in the cell"
    assert [text.text for text in root.iter(f"{SVG}text")] == ["a", "b", "c", "Hf", "B"]
    assert 'aria-label="Crystal structure of NaCl, 2 atoms' in crystal_svg(
        cubic(5.64, {"Na": ((0.5, 0.5, 0.5),), "Cl": ((0.0, 0.0, 0.0),)})
    )
    assert reduced_formula(rock_salt()) == "NaCl"


def test_what_a_message_says_cannot_leave_the_picture() -> None:
    wild = cubic(4.0, {"C": ((0.0, 0.0, 0.0),)}, '"><script>alert(1)</script>')
    picture = crystal_svg(wild, "<img>", size="card")
    assert "<script" not in picture
    assert "<img" not in picture
    ET.fromstring(picture)  # noqa: S314 - our own


def test_a_flat_cell_and_the_largest_one_are_drawn_all_the_same() -> None:
    flat = Structure(
        lattice=((1.0, 0.0, 0.0), (2.0, 0.0, 0.0), (0.0, 0.0, 0.0)), sites=(Site(element="Og", at=(0.5, 0.5, 0.5)),)
    )  # fmt: skip
    assert "nan" not in crystal_svg(flat)
    places = tuple((x / 8, y / 4, z / 4) for x in range(8) for y in range(4) for z in range(4))
    largest = cubic(12.0, {"O": places})
    assert len(crystal_svg(largest, size="card")) < 60_000


def test_radii_and_colours_are_those_that_everybody_uses() -> None:
    assert len(LOOKS) == 96
    for number in range(1, 97):
        look = look_of(chemical_symbols[number])
        assert look.radius == pytest.approx(covalent_radii[number])
        assert look.rgb == tuple(round(255 * part) for part in jmol_colors[number])
    assert look_of("Hf").metal
    assert not look_of("B").metal
