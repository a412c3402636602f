"""Models run over texts and images: hidden states, losses, and spectra on the way."""
