"""The shell around the pure core: clock, processes, wires to the laboratory.

Reading order: ``lab_clock``, ``children``, ``virtual``, ``worker`` (and ``worker_side``, which runs in the other
process).
"""
