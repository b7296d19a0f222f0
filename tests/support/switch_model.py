"""A model of a finger on a worn switch, as edges in continuous time.

Settling takes no time in 25 % of the cases, 0.1 to 2 ms in 55 %, 2 to 6.2 ms in 17 % (Ganssle's worst
ordinary switch) and up to 12 ms in 3 %. While settling, the contact opens and closes for log-normal times
with medians of 0.2 and 0.1 ms. Holds are log-normal with a median of 90 ms and a minimum of 30 ms. Pauses are
at least 50 ms. Glitches are random, at least 6 ms apart, with a mean length of a tenth of the maximum.
Times are in seconds.
"""

import bisect
import random


class Finger:
    """A finger that presses `presses` times, beginning after 1 s.

    `level(t)` is the pin's level, `began` the start of each press.
    """

    def __init__(self, seed, presses, glitches_a_second=0.5, longest_glitch=0.001):
        self.random = random.Random(seed)
        self.edges = []
        self.began = []
        time = 1.0
        for _ in range(presses):
            self.began.append(time)
            settled = self._settle(time, 0)
            released = max(time + max(0.030, self.random.lognormvariate(-2.4, 0.5)), settled + 0.012)
            settled = self._settle(released, 1)
            time = max(released + max(0.050, self.random.expovariate(1 / 0.15)), settled + 0.035)
        self.end = time + 1.0
        self._times = [edge[0] for edge in self.edges]
        self.glitches = []
        begins = self.random.expovariate(glitches_a_second)
        while begins < self.end:
            lasts = min(longest_glitch, self.random.expovariate(1 / (longest_glitch / 10)))
            self.glitches.append((begins, begins + lasts))
            begins += lasts + 0.006 + self.random.expovariate(glitches_a_second)
        self._begins = [glitch[0] for glitch in self.glitches]

    def _settle(self, time, level):
        """Append the edges of a contact that settles on `level`, and return the end time."""
        chance = self.random.random()
        if chance < 0.25:
            lasts = 0.0
        elif chance < 0.80:
            lasts = self.random.uniform(0.0001, 0.002)
        elif chance < 0.97:
            lasts = self.random.uniform(0.002, 0.0062)
        else:
            lasts = self.random.uniform(0.0062, 0.012)
        self.edges.append((time, level))
        end = time + lasts
        while True:
            time += self.random.lognormvariate(-8.5, 1.0)
            if time >= end:
                return end
            self.edges.append((time, 1 - level))
            time += self.random.lognormvariate(-9.2, 1.0)
            self.edges.append((min(time, end), level))
            if time >= end:
                return end

    def level(self, time):
        index = bisect.bisect_right(self._times, time) - 1
        level = 1 if index < 0 else self.edges[index][1]
        index = bisect.bisect_right(self._begins, time) - 1
        return 1 - level if index >= 0 and time < self.glitches[index][1] else level

    def edges_with_glitches(self):
        """Return all changes of the pin's level, as pairs of time and level."""
        times = [time for time, _ in self.edges] + [time for glitch in self.glitches for time in glitch]
        levels = [(time, self.level(time)) for time in sorted(times)]
        return [now for before, now in zip([(0, 1), *levels], levels, strict=False) if now[1] != before[1]]

    def sample(self, debouncer, stall=0.0):
        """Sample about every 2 ms, and return the times of detected presses.

        With `stall`, sampling occasionally pauses for up to that many seconds.
        """
        seen, time = [], 0.0
        while time < self.end:
            if debouncer.update(self.level(time), time) == "pressed":
                seen.append(time)
            time += 0.002 + min(0.02, self.random.expovariate(1 / 0.0003))
            if stall and self.random.random() < 0.0005:
                time += self.random.uniform(0, stall)
        return seen

    def judge(self, seen):
        """Return the numbers of lost and extra presses, and the delays of the others."""
        lost = extra = index = 0
        delays = []
        for began, after in zip(self.began, [*self.began[1:], self.end], strict=True):
            matched = 0
            while index < len(seen) and seen[index] < after:
                matched += 1
                if matched == 1:
                    delays.append(seen[index] - began)
                index += 1
            lost += matched == 0
            extra += max(0, matched - 1)
        return lost, extra, delays
