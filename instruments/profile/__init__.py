"""The rest of the profile.

Reading order: ``channels`` (the table of topics), ``agent_messages``, ``campaign_messages``, ``experiment_messages``,
``model_messages``, ``laboratory``, ``decisions``, ``requests``, ``questions``; ``schemas`` and ``examples`` for the
documents; ``legibility``.
"""
