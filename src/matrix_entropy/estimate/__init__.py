"""What a run will take, whether it can be had, and what is fetched before it."""
