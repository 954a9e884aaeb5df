"""The rest of the profile.

Reading order: ``channels`` (the table of topics), ``agent_messages``, ``decisions``; ``schemas`` and ``examples``
for the documents; ``legibility``.
"""
