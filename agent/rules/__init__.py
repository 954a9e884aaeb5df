"""What people fix beforehand: recipes, limits, policies, budgets. Pure, and free of heavy imports.

Read ``recipe`` (the steps that make an experiment of a design), ``limits`` (what may be ordered at all), ``policy`` (who
must approve), ``budgets`` (how much may be spent), ``terms`` (what an approval is bound to).
"""
