"""The parts of the transports.

Reading order: ``routing`` to handlers, ``inbox`` and ``delivery``, ``outgoing``, ``paho_client``, ``waiting``.
"""
