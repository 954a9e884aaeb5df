"""The parts of ``instruments.broker``.

Reading order: ``access`` (users and their rights), ``config``, ``store``, ``child`` (the supervised process),
``probe``.
"""
