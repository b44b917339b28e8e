"""To import before pandas, which takes bottleneck.py beside this for a library that it can use."""

import sys

sys.modules.setdefault("bottleneck", None)
