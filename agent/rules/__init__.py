"""What people fix beforehand: recipes, limits, policies, budgets. Pure, and free of heavy imports.

Read ``recipe`` (the steps that make an experiment of a design), ``limits`` (what may be ordered at all), ``policy``
(who must approve), ``budgets`` (how much may be spent), ``costs`` (what a design would spend), ``terms`` (what an
approval is bound to). How each stands in a TOML file is in ``recipe_config``, ``limits_config`` and
``policy_config``.
"""
