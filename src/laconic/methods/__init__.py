"""One method, one file: each reads like its paper. What they share is `step.py`; they never import each other."""
