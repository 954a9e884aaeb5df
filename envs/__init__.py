"""The design problem: what may be made, what counts as good, and the physics that joins structure to property.

Reading order: ``errors``, ``elements``, ``crystals``, ``moduli``, ``design``, ``objective``, ``laws``, ``ports``; the
space: ``factors``, ``descriptors``, ``rules``, ``lookahead``, ``space``, ``space_config``; the environments, each a
batched numpy core with a Gymnasium face: ``reward``, ``design_batch``, ``material_design``; ``sintering_kinetics``,
``sinter_batch``, ``sinter_control``. Gymnasium is imported by the faces only, torch by ``vector`` only (the
Stable-Baselines3 adapter).
"""
