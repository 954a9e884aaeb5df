"""Pictures that are no measurable polished section, as people feed them by mistake, and sections of foreign materials.

Reading order: ``kinds`` (what there is, and one picture of any kind), ``drawn`` (plots, pages, slides, bars),
``signals`` (noise, gradients, diffraction), ``surfaces`` (what else a microscope looks at), ``photographs`` (from the
installed packages), ``foreign_sections`` (good pictures of other people's materials), ``stream`` (all of them with
their classes, for fitting and for judging).
"""
