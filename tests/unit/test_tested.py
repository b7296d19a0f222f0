"""The README's table of tested systems."""

import re

from tested import README, updated

TEXT = """Before
<!-- tested -->
| where | system | Python | date | command |
| --- | --- | --- | --- | --- |
| x86_64, 900 tests | Debian 13 | 3.13.1 | 2026-01-01 | `make test` |
<!-- /tested -->
After
"""


def test_new_result_replaces_the_row_of_the_same_run():
    text = updated(TEXT, ("x86_64, 950 tests", "Debian 13", "3.13.2", "2026-02-02", "`make test`"))
    assert "| x86_64, 950 tests | Debian 13 | 3.13.2 | 2026-02-02 | `make test` |\n" in text
    assert "900" not in text
    assert text.startswith("Before\n") and text.endswith("After\n")


def test_result_of_another_python_gets_a_row():
    text = updated(TEXT, ("x86_64, 950 tests", "Debian 13", "3.14.0", "2026-02-02", "`make test`"))
    assert len(re.findall("^[|] x86_64", text, re.M)) == 2


def test_readme_has_a_table_with_dates():
    text = README.read_text()
    rows = text.partition("<!-- tested -->\n")[2].partition("<!-- /tested -->")[0].splitlines()[2:]
    assert rows
    for row in rows:
        assert re.fullmatch(r"\| .+ \| .+ \| 3\.\d+\.\d+ \| 20\d\d-\d\d-\d\d \| `make .+` \|", row), row
