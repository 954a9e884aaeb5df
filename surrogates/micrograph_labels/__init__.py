"""Images that users labelled themselves.

Read in this order: ``vocabulary`` (what a set of labelled images is), ``declaration`` (what the values of a mask mean),
``mask_pairs``, ``coco`` and ``class_folders`` (the three forms on disk), ``folder`` (which of them a folder is).
"""
