from matrix_entropy.api.arrays import Spectrum as Spectrum
from matrix_entropy.api.arrays import distance as distance
from matrix_entropy.api.arrays import effective_rank as effective_rank
from matrix_entropy.api.arrays import entropy as entropy
from matrix_entropy.api.arrays import information_gain as information_gain
from matrix_entropy.api.arrays import spectrum as spectrum
from matrix_entropy.api.arrays import stable_rank as stable_rank
from matrix_entropy.api.measuring import measure as measure
from matrix_entropy.api.monitoring import Monitor as Monitor
from matrix_entropy.api.summaries import summarise as summarise

__version__: str
