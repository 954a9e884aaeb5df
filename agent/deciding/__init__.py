"""What a person's own command line does: reads what waits, signs, sends, and says what came of it.

Reading order: ``asked`` and ``place`` (which laboratory), ``board`` (what is kept at its broker), ``design`` (what an
edit would change), ``letters`` (what is signed), ``sending`` (and what was answered), ``words`` (for people),
``session`` (one command from its beginning to its end).

A client like any other: it holds no more rights at the broker than its user, and it needs no torch, numpy or database.
"""
