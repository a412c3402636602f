"""matrix-entropy: the information in the hidden states of language models.

The mathematics (`spectra`, `entropy`) takes and gives NumPy arrays and needs no torch; everything
that touches a model (`models`, `hidden_states`, `stand_ins`, `generation`) imports torch itself.
"""

__version__ = "0.1.0"
