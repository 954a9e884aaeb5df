"""The parts of which a virtual section is drawn: grains, pores, phases, cracks, powders and fracture surfaces."""
