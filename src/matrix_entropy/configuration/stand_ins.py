"""The architectures of stand-ins, which `train:` names, and how captions call them.

`models.stand_ins` builds them; what it knows is not asked here, because it loads torch.
"""

from __future__ import annotations

STAND_INS = {"gpt2": "GPT-2", "gpt_neo": "GPT-Neo", "gpt_neox": "GPT-NeoX", "opt": "OPT"}
