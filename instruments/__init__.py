"""Both sides of the instrument profile: what a lab needs to put an instrument on MQTT, and an agent to use it.

Reading order: ``messages``, ``topics``, ``session`` (the rules, sans-IO), ``device`` (subclass it for an instrument),
``client`` (the agent's side), then the transports ``local`` and ``mqtt`` and the development ``broker``.
Nothing here imports numpy or torch; the package knows no design and no campaign.
"""
