"""The agent: decides what to make, has it approved and made, and learns from it.

Reading order: ``core`` (the pure state machine), ``events``, ``journal``, ``recipe``, ``campaign`` (the loop), then
``planner`` with ``pools`` and ``acquisition``, ``wiring`` (the one place that chooses implementations) and ``cli``.
Importing this package imports nothing heavy.
"""
