"""Adapters: instruments that exist already, as devices of the profile, each built from a TOML file.

Reading order: ``load`` (reads such a file and builds its device), ``local_path`` (paths in it).

A microscope's PC that exports images to a share: ``tiff_tags`` and ``image_scale`` (whether a file is a whole image,
and how large its pixels are), ``folder_scan`` and ``folder_view`` (what is there, and which of it is finished),
``folder_claims`` (who was given what), ``folder_settings``, ``folder`` (the device).

The open self-driving-lab-demo: ``sdl_demo_messages`` (what its Pico W is sent and answers), ``sdl_demo`` (the bridge).

Instruments that talk in lines of text: the ``text_...`` modules (settings, templates, replies, steps), ``scpi`` (over
VISA) and ``serial_line``.

Nothing is imported here: each adapter pulls in its own driver only when it is used.
"""
