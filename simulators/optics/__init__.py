"""Pieces of the virtual electron microscope: what the surface sends out, what the beam and the detector make of it."""
