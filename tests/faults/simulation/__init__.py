"""A laboratory without a network, a disk or real time: the agent's own code under faults that a seed chooses.

Read ``loop`` (time), ``bus`` and ``disk`` (what fails), ``machines`` and ``people`` (who takes part), ``lab`` (all of it
together), ``schedule`` (what goes wrong when), ``invariants`` (what must hold whatever happens), ``bugs`` (mistakes that
are planted to see whether they are caught).
"""
