"""Counted faults on real processes, a real broker and real connections: ``python -m tests.faults.mqtt``.

Read in this order: ``books`` (what is written down and how it is audited), ``roles`` and ``press`` (the processes of
the agent and the devices), ``proxy`` (a network that fails), ``grammar`` (hostile messages), ``workshop`` (them all),
``kills``, ``network``, ``hostility`` and ``together`` (the runs), ``outcome`` (their floors), ``mqtt`` (the command).
"""
