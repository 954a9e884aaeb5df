"""The design problem: what may be made, what counts as good, and the physics that joins structure to property.

Reading order: ``errors``, ``crystals``, ``design``, ``space``, ``laws``, ``ports``, then the Gymnasium environments
``material_design`` and ``sinter_control``. Nothing here imports torch; Gymnasium is imported by the environments only.
"""
