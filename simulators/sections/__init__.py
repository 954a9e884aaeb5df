"""The parts of which a virtual section is drawn; ``simulators.tessellation.draw`` puts them together.

Reading order: ``microstructure`` (the words), ``packing`` and ``power`` (grains in space, and their cut on pixels),
``polished`` (a section) with ``pores``, ``phase``, ``abnormal``, ``junction_graph`` and ``cracks``, then ``powder`` and
``fracture`` (the other surfaces), ``sizes`` (how large cells must be drawn), ``measure`` (the exact truth).
"""
