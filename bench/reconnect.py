"""Distribution of the time until screens reconnect after a restart."""

import time

from playwright.sync_api import sync_playwright

from bench.rig import server, spread

SCREENS = 24
#: Records the time at which the page reconnects.
WATCH = """() => {
  window.connectedAt = null;
  const status = document.getElementById('status');
  new MutationObserver(() => {
    if (status.getAttribute('data-state') === 'connected') window.connectedAt = Date.now() / 1000;
  }).observe(status, {attributes: true});
}"""


def main():
    running = server(log="info", feed="off")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-background-networking"]
        )
        pages = [browser.new_page(viewport={"width": 320, "height": 240}) for _ in range(SCREENS)]
        for page in pages:
            page.goto(running.url)
            page.wait_for_selector("#status[data-state=connected]")
            page.evaluate(WATCH)
        running.restart()
        restarted_at = time.time()
        seconds = []
        for page in pages:
            page.wait_for_selector("#status[data-state=connected]")
            seconds.append(page.evaluate("connectedAt") - restarted_at)
        browser.close()
    running.stop()
    print(spread(f"{SCREENS} screens, reconnected after", seconds, unit="s ", scale=1.0))


if __name__ == "__main__":
    main()
