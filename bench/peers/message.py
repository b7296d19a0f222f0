"""The message sent by every peer, which is a count of constant size."""


def count(seq):
    """Return a count in The Button's format."""
    return {"count": 17, "goal": 20, "seq": 100_000 + seq, "cause": "press", "at": 1763760000.123}
