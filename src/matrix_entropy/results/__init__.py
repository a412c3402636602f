"""Files of results: states, spectra, gains, metrics, archives; what is read from them."""
