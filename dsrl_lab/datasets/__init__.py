"""Data sets: pictures with masks, joint transforms, and the downloads they come from."""
