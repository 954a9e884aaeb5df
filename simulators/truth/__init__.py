"""What one virtual laboratory hides from its learner: constants drawn once from its seed, and the truth they make.

The library's DFT moduli are the crystals' truth; a generated crystal's are a potential's. Everything else (the hardness
law's error, melting points, kinetics, what pores and grains do to hardness) is drawn here, within ranges that the
literature gives. Only simulators read this, and the composition root once a campaign has ended.

Read ``constants``, ``hardness``, ``stability``, ``compounds``, ``powders``, ``laboratory`` and
``identity``, in this order.
"""

from simulators.truth.compounds import GeneratedCrystals
from simulators.truth.constants import Batch, Constants
from simulators.truth.identity import difference, fingerprint
from simulators.truth.laboratory import LabTruth
from simulators.truth.powders import ADDITIVES, Powders

__all__ = ["ADDITIVES", "Batch", "Constants", "GeneratedCrystals", "LabTruth", "Powders", "difference", "fingerprint"]
