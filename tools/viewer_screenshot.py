"""The picture of the live page that the README shows.

    python tools/viewer_screenshot.py [docs/viewer.png]

Needs the `train`, `view` and `dev` extras and a Chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from knuckle.sources.synthetic import SyntheticSource
from knuckle.viewer import Viewer

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SETTLED_MS = 12_000  # until the page draws at full resolution, and a spread hand is shown


def main(out: Path) -> None:
    """Opens the page, waits for the hand, and takes its picture."""
    path = shutil.which("chromium")
    with Viewer(lambda: SyntheticSource(seed=3), "synthetic", port=0, threads=1) as viewer, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"http://127.0.0.1:{viewer.port}/?fixedDpr=1")
        page.wait_for_selector("[data-knuckle=status][data-kind=well]")
        page.add_style_tag(content=".mantine-Notifications-root {display: none}")
        page.wait_for_timeout(SETTLED_MS)
        page.screenshot(path=out)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/viewer.png"))
