"""What all figures share: style, words, axes, labels."""
