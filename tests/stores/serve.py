"""How a store is asked: a line of words comes in, a line of JSON goes out."""

import json
import sys


def serve(store):
    """Calls the method of `store` that a line's first word names, with its other words, until the input ends."""
    for line in sys.stdin:
        verb, *words = line.split()
        print(json.dumps(getattr(store, verb)(*words)), flush=True)
