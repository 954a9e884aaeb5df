"""The parts of ``instruments.device``.

Reading order: ``parameters``, ``job_context``, ``job_desk``, ``heart``; ``serve`` runs a device, ``starter`` begins
one.
"""
