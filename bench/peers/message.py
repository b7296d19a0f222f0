"""The message that every peer sends, a count of constant size."""


def count(seq):
    """Return a count as The Button sends it."""
    return {"count": 17, "goal": 20, "seq": 100_000 + seq, "cause": "press", "at": 1763760000.123}
