"""What microscopes write about their images, as text: one module a maker, read by instruments and by surrogates alike.

Reading order: ``metadata`` (what may be known of an image), ``words`` (numbers, lengths, ini sections), then a maker
each: ``fei``, ``zeiss``, ``tescan``, ``jeol``, ``hitachi``; ``resolution`` for the tags of any TIFF. Nothing here opens
a file or needs numpy: a driver on an instrument's PC uses it too.
"""
