"""laconic: the smallest and fastest network that meets a budget, in one file that really is that small."""
