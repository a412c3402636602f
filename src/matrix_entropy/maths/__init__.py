"""Mathematics on arrays: spectra, entropies, information gain, distances, laws, tests."""
