"""What the journal is made of.

Read ``tables`` (what is stored), ``chain`` (the hashes), ``streams`` (which event belongs where), then ``projections``
(the tables that people query) over ``rows`` (how they are written, in a database or in memory), ``schema`` (bringing a
database to this release's form) and the two places where a journal can be: ``sqlite`` and ``postgres``.
"""
