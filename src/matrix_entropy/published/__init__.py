"""What the papers print, and how ours compare with it."""
