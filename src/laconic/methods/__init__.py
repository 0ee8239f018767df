"""One method, one file or one folder: each reads like its paper.

What they share is `step.py`, with its `context.py` and `plan.py`; they never import each other.
"""
