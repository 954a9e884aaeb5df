"""The daemon's shell around the pure core: time, processes beside it, the bus, and what a service needs.

Of the processes: ``lab_clock``, ``children`` (supervision), ``virtual`` (the virtual laboratory's process), ``worker``
with ``worker_side`` (what computes), ``space_facts`` (what of it this process keeps) and ``known_spaces`` (over
restarts).
"""
