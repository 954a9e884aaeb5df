"""Bulk data by reference.

Reading order: ``store`` and ``tickets``, ``endpoint`` and ``server`` on the agent's side; ``keeping`` and
``upload`` on the device's; ``fetch``.
"""
