"""Both sides of the instrument profile: what a lab needs to put an instrument on MQTT, and an agent to use it.

Reading order: ``messages``, ``topics``, ``session`` (the rules, sans-IO), ``device`` (subclass it for an instrument),
``client`` (the agent's side), then the transports ``local`` and ``mqtt``, ``artefacts`` (bulk data) and the ``broker``.
Each of these is a front door; its parts stand in a folder beside it: ``profile``, ``driving``, ``ordering``, ``bus``,
``bulk``, ``brokers``. ``adapters`` are instruments that need no programming, ``conformance`` proves the profile on any
device.
Nothing here imports numpy or torch; the package knows no design and no campaign.
"""
