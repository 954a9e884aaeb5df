"""What people at a terminal make of a laboratory: its journal where they are on its machine, its broker elsewhere.

Read ``answers`` (what there is to say), ``source`` (where to look), ``journal_view`` and ``bus_view`` (how each
answers), ``tables`` (how it is shown), then ``logs``, ``audit`` and ``doctor``. Nothing here writes, and nothing old is
shown as if it were now. What reads the broker needs no database.
"""
