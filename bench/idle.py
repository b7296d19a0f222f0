"""Start-up time, and CPU and memory of an idle server."""

import resource
import statistics
import time

from bench.rig import cpu_seconds, server


def main():
    starts, running = [], None
    for turn in range(5):
        started_at = time.monotonic()
        if turn:
            running.start()
        else:
            running = server()
        starts.append(time.monotonic() - started_at)
        if turn < 4:
            running.stop()
    pid = running.process.pid
    time.sleep(2)
    before, started_at = cpu_seconds(pid), time.monotonic()
    time.sleep(10)
    share = (cpu_seconds(pid) - before) / (time.monotonic() - started_at)
    with open(f"/proc/{pid}/statm") as file:
        memory = int(file.read().split()[1]) * resource.getpagesize() / 2**20
    running.stop()
    print(f"start to serving, new database     {starts[0]:.2f} s")
    print(f"start to serving, later (median)   {statistics.median(starts[1:]):.2f} s")
    print(f"idle, with the sampler             {share * 100:.1f} % of a core, {memory:.0f} MiB")


if __name__ == "__main__":
    main()
