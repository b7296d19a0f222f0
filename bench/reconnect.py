"""How soon after its return screens are back at the server, and how evenly they come."""

import time

from playwright.sync_api import sync_playwright

from bench.rig import server, spread

SCREENS = 24
WATCH = """() => {
  window.back = null;
  const status = document.getElementById('status');
  new MutationObserver(() => {
    if (status.getAttribute('data-state') === 'connected') window.back = Date.now() / 1000;
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
        returned = time.time()
        took = []
        for page in pages:
            page.wait_for_selector("#status[data-state=connected]")
            took.append(page.evaluate("back") - returned)
        browser.close()
    running.stop()
    print(spread(f"{SCREENS} screens, back after", took, unit="s ", scale=1.0))


if __name__ == "__main__":
    main()
