"""Coding by context: each decision is predicted from what is known of its neighbourhood.

levels     magnitudes on a scale of ratios            buckets    magnitudes as rows of yes-or-no decisions
linear     predictions that learn                     logistic   the scale on which predictions add up
mixing     many predictions into one                  duplex     one bit, in either direction
fast, smallest   the profiles: which contexts, and how they are weighed
profiles, group  the table of profiles; tensors ⇄ bytes
"""
