"""What all tests share."""

import os

# As in a dive (`aistack.dive.conduct.settle_device`): threads that wait for others must not keep a busy core from them.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
