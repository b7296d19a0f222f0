"""Google's Lighthouse on the countdown: median of three, without what plain http costs."""

import json
import os
import statistics
import subprocess

from bench.rig import HERE, server

PASSES = 3
PEERS = HERE / "peers"
#: Audits that only https can pass.
PLAIN_HTTP = {"is-on-https", "redirects-http"}
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-quic"


def audit(url):
    command = [
        "npx", "--yes", "lighthouse@12.8.2", url, "--quiet", "--output=json", f"--chrome-flags={FLAGS}",
        f"--only-categories={','.join(CATEGORIES)}",
    ]  # fmt: skip
    environ = os.environ | {"CHROME_PATH": "/usr/bin/chromium"}
    done = subprocess.run(command, cwd=PEERS, env=environ, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def failing(report, category):
    """The audits that cost a category something, but for those of plain http."""
    for reference in report["categories"][category]["auditRefs"]:
        found = report["audits"][reference["id"]]
        if reference["weight"] and found["score"] is not None and found["score"] < 0.9:
            yield found["id"]


def main():
    running = server(log="warning", feed="off")
    reports = [audit(running.url + "/") for _ in range(PASSES)]
    running.stop()
    for category in CATEGORIES:
        score = statistics.median(report["categories"][category]["score"] for report in reports)
        lost = sorted({name for report in reports for name in failing(report, category)})
        if set(lost) <= PLAIN_HTTP and lost:
            lost = [f"only what https would give: {', '.join(lost)}"]
        print(f"{category:<16} {score * 100:4.0f}   {', '.join(lost)}")


if __name__ == "__main__":
    main()
