"""How a campaign's micrographs explain what was measured: ``labwright show DIR --structure-property``, and the report.

Read ``reading`` (the journal's experiments as points), ``finding`` (the laws fitted to them), then ``words`` and
``drawing`` (how people are told). The statistics are in ``surrogates.structure_property``.
"""
