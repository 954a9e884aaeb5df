"""The parts of ``instruments.client``.

Reading order: ``directory`` (who is there), ``orders`` (jobs to their end), ``leases``.
"""
