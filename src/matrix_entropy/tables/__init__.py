"""Tables: their kinds, and how they are written."""
