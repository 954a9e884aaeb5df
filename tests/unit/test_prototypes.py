"""Generated crystals are of the structure type that their name says, near the size of the real ones."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Lattice, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from envs.crystals import CrystalLibrary, family
from envs.elements import SYMBOLS
from envs.errors import ConfigError
from envs.prototypes import PROTOTYPES, Prototype, canonical, generate, identifier, is_generated, parse

IN_THE_LIBRARY = {
    "gen:rocksalt:Ti-C": "mp-631",
    "gen:cscl:Al-Ni": "mp-1487",
    "gen:zincblende:Zn-S": "mp-10695",
    "gen:wurtzite:Al-N": "mp-661",
    "gen:nias:Pt-Sn": "mp-19856",
    "gen:wc:W-C": "mp-1894",
    "gen:fluorite:Ca-F": "mp-2741",
    "gen:antifluorite:Li-O": "mp-1960",
    "gen:mosi2:Mo-Si": "mp-2592",
    "gen:laves:Mg-Cu": "mp-1038",
    "gen:a15:Si-Cr": "mp-729",
    "gen:l1_2:Al-Ni": "mp-12552",
    "gen:corundum:Al-O": "mp-1143",
    "gen:alb2:Ti-B": "mp-1145",
    "gen:cementite:Fe-C": "mp-510623",
    "gen:perovskite:Sr-Ti-O": "mp-5229",
    "gen:spinel:Mg-Al-O": "mp-3536",
    "gen:max-211:Ti-Al-C": "mp-12990",
    "gen:half-heusler:Ti-Fe-Sb": "mp-10755",
    "gen:heusler:Cu-Mn-Al": "mp-3574",
    "gen:bcc:W": "mp-91",
    "gen:fcc:Cu": "mp-30",
    "gen:hcp:Ti": "mp-46",
    "gen:diamond:Si": "mp-149",
}
"""Compounds of which the library has the same structure type, relaxed by DFT."""

MEASURED = {
    "gen:rocksalt:Na-Cl": 5.640,
    "gen:rocksalt:Ti-C": 4.328,
    "gen:rocksalt:Hf-N": 4.525,
    "gen:rocksalt:Mg-O": 4.212,
    "gen:fluorite:Ca-F": 5.463,
    "gen:corundum:Al-O": 4.759,
    "gen:alb2:Zr-B": 3.169,
    "gen:wurtzite:Al-N": 3.112,
    "gen:perovskite:Sr-Ti-O": 3.905,
    "gen:cab6:Ca-B": 4.153,
    "gen:rutile:Ti-O": 4.594,
    "gen:bcc:W": 3.165,
    "gen:zincblende:Si-C": 4.360,
}
"""First lattice constant at room temperature, angstrom."""


@pytest.mark.parametrize("prototype", PROTOTYPES.values(), ids=lambda p: p.name)
def test_the_crystal_has_the_space_group_and_the_multiplicities_of_its_type(prototype: Prototype) -> None:
    crystal = generate(prototype, prototype.example)
    assert SpacegroupAnalyzer(crystal.structure()).get_space_group_number() == prototype.space_group
    assert crystal.space_group == prototype.space_group
    assert crystal.n_atoms == prototype.n_atoms


@pytest.fixture(scope="module")
def library() -> CrystalLibrary:
    return CrystalLibrary.builtin()


@pytest.mark.parametrize(("generated", "real"), IN_THE_LIBRARY.items())
def test_the_crystal_is_the_one_that_the_library_has_from_dft(
    library: CrystalLibrary, generated: str, real: str
) -> None:
    crystal = generate(*parse(generated))
    assert StructureMatcher().fit(crystal.structure(), library[real].structure())
    assert crystal.formula == library[real].formula
    assert family(crystal) == family(library[real])


@pytest.mark.parametrize(("generated", "measured"), MEASURED.items())
def test_the_lattice_is_within_a_tenth_of_the_measured_one(generated: str, measured: float) -> None:
    crystal = generate(*parse(generated))
    assert np.linalg.norm(crystal.lattice[0]) == pytest.approx(measured, rel=0.1)


@settings(max_examples=40)
@given(st.data())
def test_an_identifier_parses_back(data: st.DataObject) -> None:
    prototype = data.draw(st.sampled_from(sorted(PROTOTYPES.values(), key=lambda p: p.name)))
    symbols = st.sampled_from(["Ti", "Hf", "W", "Al", "Si", "B", "C", "N", "O"])
    n = prototype.n_species
    species = tuple(data.draw(st.lists(symbols, min_size=n, max_size=n, unique=True)))
    written = identifier(prototype, species)
    assert is_generated(written)
    assert parse(written) == canonical(prototype, species)
    assert generate(prototype, species).id == written


def test_a_material_has_one_name_and_no_other_material_has_it() -> None:
    """Every type with every order of its species, each pair of one space group compared atom by atom."""
    matcher, twins = StructureMatcher(), 0
    for n in (1, 2, 3):
        types = [p for p in PROTOTYPES.values() if p.n_species == n]
        forms = [(p, order) for p in types for order in itertools.permutations(("Ti", "Al", "N")[:n])]
        placed = [(p.space_group, identifier(p, order), placed_as_written(p, order)) for p, order in forms]
        for (group, name, one), (another, other, two) in itertools.combinations(placed, 2):
            assert (group == another and matcher.fit(one, two)) == (name == other), (name, other)
            twins += name == other
    assert twins >= 9


def placed_as_written(prototype: Prototype, species: tuple[str, ...]) -> Structure:
    coords, which = prototype.atoms
    lattice = Lattice(prototype.cell * 4.5)
    return Structure(lattice, [species[i] for i in which], coords)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("gen:rocksalt:N-Ti", "gen:rocksalt:Ti-N"),
        ("gen:fluorite:O-Li", "gen:antifluorite:Li-O"),
        ("gen:half-heusler:Sb-Fe-Ti", "gen:half-heusler:Ti-Fe-Sb"),
    ],
)
def test_another_name_of_a_material_is_refused_by_its_one_name(written: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}', which is the same material"):
        parse(written)
    assert parse(name)[0].name == name.split(":")[1]


@pytest.mark.parametrize("prototype", PROTOTYPES.values(), ids=lambda p: p.name)
def test_the_namesake_of_a_type_can_be_ordered(prototype: Prototype) -> None:
    assert parse(f"gen:{prototype.name}:{'-'.join(prototype.example)}") == (prototype, prototype.example)


def test_the_same_name_gives_the_same_crystal() -> None:
    one, two = (generate("spinel", ("Mg", "Al", "O")) for _ in range(2))
    assert one.structure() == two.structure()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("mp-631", "gen:<prototype>:<species>"),
        ("gen:rocksalt", "gen:<prototype>:<species>"),
        ("gen:rocksalt:Ti:N", "gen:<prototype>:<species>"),
        ("gen:rocksal:Ti-N", "did you mean 'rocksalt'"),
        ("gen:Wurtzite:Al-N", "did you mean 'wurtzite'"),
        ("gen:rocksalt:Ti", "2 species for 'rocksalt', in the order of its namesake Na-Cl"),
        ("gen:perovskite:Sr-O", "3 species"),
        ("gen:rocksalt:Tt-N", "symbols of chemical elements"),
        ("gen:rocksalt:ti-N", "did you mean 'Ti'"),
        ("gen:rocksalt:Ti-", "symbols of chemical elements"),
        ("gen:rocksalt:Ti-Ti", "a different element for each species"),
        ("gen:rocksalt:Ti-He", "Slater"),
        ("gen:rocksalt:Ti-Og", "Slater"),
        ("gen:rocksalt:Am-N", "up to Pu"),
    ],
)
def test_what_is_wrong_with_an_identifier_is_said(written: str, said: str) -> None:
    with pytest.raises(ConfigError, match="crystal") as caught:
        parse(written)
    assert said in str(caught.value)


def test_generating_checks_as_parsing_does() -> None:
    with pytest.raises(ConfigError, match="one of the prototypes"):
        generate("garnet", ("Y", "Al", "O"))
    with pytest.raises(ConfigError, match="2 species"):
        generate("rocksalt", ("Ti",))


def test_every_element_with_a_radius_can_be_placed() -> None:
    refused = []
    for symbol in SYMBOLS[:94]:
        try:
            generate("fcc", (symbol,))
        except ConfigError:
            refused.append(symbol)
    assert set(refused) <= {"He", "Ne", "Ar", "Kr", "Xe", "At", "Rn", "Fr"}
