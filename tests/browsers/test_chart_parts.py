"""Pure functions of the charts."""

import pytest
from chromium import connected


@pytest.fixture(scope="module")
def page(chromium, shared):
    context = chromium.new_context()
    page = context.new_page()
    page.goto(shared.url + "/graph")
    yield connected(page)
    context.close()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12_800_000, "12.8 M"),
        (-3.5e9, "-3.5 G"),
        (1.28e12, "1.28 T"),
        (1e15, "1e15"),
        (999_999, "999999"),
        (2.5, "2.5"),
    ],
)
def test_large_values_have_a_unit(page, value, text):
    assert page.evaluate(f"theButton.formatNumber({value})").replace("+", "") == text


def test_thinning_keeps_the_shape_in_bounded_memory(page):
    points = [[x, x * 7919 % 1009] for x in range(5000)]
    thinned = page.evaluate("points => theButton.thin(points, 300)", points)
    assert len(thinned) <= 2 * 300 + 2
    assert thinned == sorted(thinned) and thinned[-1] == points[-1]
    assert all(point in points for point in thinned)
    for start in range(0, 5000, 500):
        ys = [y for x, y in points if start <= x < start + 500]
        kept = [y for x, y in thinned if start - 17 <= x < start + 517]
        assert min(kept) <= min(ys) and max(kept) >= max(ys)


@pytest.mark.parametrize(
    ("points", "columns", "expected"),
    [
        ([[5, 1]], 10, [[5, 1]]),
        ([[5, 1], [5, 2], [5, 0], [5, 1]], 10, [[5, 2], [5, 0], [5, 1]]),
        ([[0, 1], [1, 1], [2, 1], [3, 1]], 1, [[0, 1], [3, 1]]),
        ([[0, 1], [10, 9], [90, 3], [100, 4]], 10, [[0, 1], [10, 9], [90, 3], [100, 4]]),
        ([[100, 1], [50, 2], [0, 3]], 2, [[100, 1], [50, 2], [0, 3]]),
    ],
)
def test_points_of_a_column_are_reduced_to_two(page, points, columns, expected):
    assert (
        page.evaluate("([points, columns]) => theButton.thin(points, columns)", [points, columns]) == expected
    )


def test_only_long_pauses_divide_a_series(page):
    runs = "xs => theButton.runs(xs.map(x => [x, 0])).map(run => run.length)"
    assert page.evaluate(runs, [0]) == [1]
    assert page.evaluate(runs, [0, 5000]) == [2], "too few to judge"
    assert page.evaluate(runs, [0, 10, 20, 30, 900]) == [5], "less than a second"
    assert page.evaluate(runs, [0, 10, 20, 30, 1100, 1110]) == [4, 2]
    assert page.evaluate(runs, [0, 1000, 2000, 3000, 6500]) == [5], "less than four intervals"
    assert page.evaluate(runs, [0, 1000, 2000, 3000, 8000]) == [4, 1]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s"),
        (59_900, "59 s"),
        (61_000, "1 min 1 s"),
        (7_500_000, "2 h 5 min"),
        (86_400_000, "1 d"),
        (1e8, "1 d 3 h"),
    ],
)
def test_durations_have_two_units(page, ms, text):
    assert page.evaluate("ms => theButton.formatDuration(ms)", ms) == text
