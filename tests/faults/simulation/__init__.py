"""A laboratory without a network, a disk or real time: the agent's own code under faults that a seed chooses.

Read ``loop`` (time), ``weather``, ``bus``, ``disk`` and ``real_disk`` (what fails), ``tripwire`` and ``host`` (what
dies), ``machines``, ``people`` and ``crowd`` (who takes part), ``fixed``, ``minds`` and ``life`` (the agent), ``plan``
(what goes wrong when), ``ports``, ``lab`` and ``play`` (all of it together), ``history``, ``evidence`` and
``invariants`` (what must hold whatever happens), ``planting`` and ``bugs`` (mistakes, to see whether they are caught).
"""
