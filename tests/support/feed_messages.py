"""Valid and invalid messages of the feed."""

import json
import pickle

NOW = 1763760000123.5


def message(**keys):
    return [json.dumps(keys).encode()]


VALID = [
    (message(x=1763760000123, y=2.5), ("Value", 1763760000123, 2.5)),
    (message(x=0, y=-3), ("Value", 0, -3)),
    (message(x=8.64e15, y=1e308), ("Value", 8.64e15, 1e308)),
    (message(y=1), ("Value", NOW, 1)),
    (message(x=1, y=2, series="Tea", more=[1]), ("Tea", 1, 2)),
    ([b"Topic", *message(x=1, y=2)], ("Topic", 1, 2)),
    ([b"Topic", *message(x=1, y=2, series="Tea")], ("Tea", 1, 2)),
    ([b"", *message(x=1, y=2)], ("Value", 1, 2)),
    ([b"\xff", *message(x=1, y=2, series="Tea")], ("Tea", 1, 2)),
    (message(x=1, y=2, series="x" * 64), ("x" * 64, 1, 2)),
    (message(x=1, y=2, series="<b>Ünïcode 🎺"), ("<b>Ünïcode 🎺", 1, 2)),
    (message(x=1, y=2**70), ("Value", 1, float(2**70))),
    ([b" " * (4096 - 14) + b'{"x":1, "y":2}'], ("Value", 1, 2)),
]


INVALID = [
    ([b""], "not_json"),
    ([b"{"], "not_json"),
    ([b'{"y": NaN}'], "not_json"),
    ([b'{"y": -Infinity}'], "not_json"),
    ([b"[" * 4000], "not_json"),
    ([b"\xff\xfe{}"], "not_utf8"),
    ([b"\xff", b'{"y": 1}'], "not_utf8"),
    ([pickle.dumps({"y": 1})], "not_utf8"),
    ([b"[1, 2]"], "not_object"),
    ([b"5"], "not_object"),
    (message(x=1), "invalid_y"),
    (message(y="1"), "invalid_y"),
    (message(y=True), "invalid_y"),
    (message(y=None), "invalid_y"),
    ([b'{"y": 1e999}'], "invalid_y"),
    ([b'{"y": 1' + b"0" * 400 + b"}"], "invalid_y"),
    (message(x=-1, y=1), "invalid_x"),
    (message(x=8.65e15, y=1), "invalid_x"),
    (message(x="1", y=1), "invalid_x"),
    (message(x=False, y=1), "invalid_x"),
    (message(x=None, y=1), "invalid_x"),
    (message(y=1, series=""), "invalid_series"),
    (message(y=1, series="x" * 65), "invalid_series"),
    (message(y=1, series="a\nb"), "invalid_series"),
    (message(y=1, series="\x85"), "invalid_series"),
    (message(y=1, series=5), "invalid_series"),
    ([b'{"y": 1, "series": "\\ud800"}'], "invalid_series"),
    ([b"x" * 65, *message(y=1)], "invalid_series"),
    ([b" " * 4096 + b'{"y": 1}'], "too_long"),
    ([b"x" * 1_000_000], "too_long"),
    ([b"a", b"b", *message(y=1)], "frames"),
    ([b"", b"", b"", b"", b""], "frames"),
]
