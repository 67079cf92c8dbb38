"""What detectors are built of; nothing here knows a detector.

``network``: the constructors of most detectors. ``backbones``: published image networks.
``streams``: Xception as one of several. ``towers``: detectors on the image tower of a CLIP, with
``clip`` (its towers), ``texts``, ``tokens`` and ``transformer``. ``filters``, ``textures`` and
``blending``: what is done to images. ``regression``: logistic regression on measured numbers.
"""
