"""
What the project costs, as ratios against bare libraries measured in the same run.

Laws: a figure is a ratio of process CPU times (or of bytes), never a time; what is compared is interleaved, and each round runs in
a fresh process of its own; peers run in other processes, so that only the measured side is counted.
Refuses to know: what a good figure is (README.md says what was found, and where).
"""
