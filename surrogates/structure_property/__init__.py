"""From what images show to what is measured: published laws fitted to a campaign, with uncertainties on both sides.

Read ``points`` (what is fitted), ``forms`` (the laws and their sources), ``mixed`` (the statistics of experiments that
share crystals), then ``fitting`` (one law) and ``choosing`` (several, compared).
"""
