"""Lighthouse scores of the countdown, as medians of three runs."""

import json
import os
import statistics
import subprocess

from bench.rig import HERE, server

PASSES = 3
PEERS = HERE / "peers"
#: Audits that require HTTPS.
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


def failed_audits(report, category):
    """Yield the audits that lower the score of a category."""
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
        failed = sorted({name for report in reports for name in failed_audits(report, category)})
        if set(failed) <= PLAIN_HTTP and failed:
            failed = [f"only audits that require https: {', '.join(failed)}"]
        print(f"{category:<16} {score * 100:4.0f}   {', '.join(failed)}")


if __name__ == "__main__":
    main()
