"""Faults of real life, drawn from a seed and counted.

Reading order: ``kinds`` (what can go wrong), ``plan`` (which order meets what), ``ledger`` (what was injected),
``troubles`` and ``line`` (between an instrument and the bus), ``mishaps`` (inside an instrument), ``virtual_time``
(waiting that costs no real time). ``simulators.faults`` puts them together.
"""
