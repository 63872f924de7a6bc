"""The tracking store: what was found, where each dataset is on its way, and the proof of what is archived."""
