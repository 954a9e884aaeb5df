"""The conformance suite: does a device keep the instrument profile? It asks over the bus alone, in raw messages.

Reading order: ``rules`` (what a rule is), ``report`` (what comes out), ``probe`` (the checker's connection),
``evidence`` (what rules judge), ``examination`` (what they share), the rules by theme (``presence``, ``describing``,
``refusals``, ``life``, ``parameters``, ``duplicates``, ``control``, ``restarts``), then ``run``, which puts them
together, and ``table``, which draws the report. Nothing here uses the device's side of this package: a device in any
language is checked alike.
"""
