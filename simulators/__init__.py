"""Virtual instruments with a hidden truth. They pretend to be a laboratory; the learner never imports them.

Reading order: ``sintering`` (what a furnace does to a powder), ``truth`` (the constants that a laboratory hides),
``samples`` (what lies on its shelf), ``tessellation`` and ``sem`` (what a section looks like), ``furnace``,
``microscope`` and ``indenter`` (the devices), ``lab`` (all of it together on one bus).
"""
