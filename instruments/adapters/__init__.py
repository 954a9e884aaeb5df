"""Adapters: instruments that exist already, as devices of the profile, each built from a TOML file.

Reading order: ``image_scale`` (what a micrograph's file says of itself, on top of ``tiff_tags``), ``folder_view`` and
``folder_claims`` (which files are finished, and who was given them), ``folder`` (an SEM PC that exports images to a
share), ``sdl_demo`` (the open self-driving-lab-demo devices), ``scpi`` (VISA), ``serial`` (a line of text commands).
Nothing is imported here: each adapter pulls in its own driver only when it is used.
"""
