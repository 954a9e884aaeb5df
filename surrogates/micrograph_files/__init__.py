"""Files of micrographs: pixels, what the file says of them, and the strip that is no part of the image.

Reading order: ``raw`` (what every reader hands over), ``tiff`` and ``picture`` (the containers), ``olympus`` and
``ome`` (scales that stand in no plain text; the other makers' texts are read by ``envs.micrograph_texts``), ``beside``
(text files of the image's name), ``grey`` (any pixels to grey from 0 to 1), ``info_bar`` (where a drawn bar begins) and
``square`` (pixels that are not). ``surrogates.micrograph_io`` puts them together.
"""
