"""`knuckle view --source synthetic` with a browser attached: frames a second, the page's updates, how old they are.

    python benchmarks/viewing.py [--seconds 20] [--soak 100000] [--json]

The browser is a headless Chromium of 1280×720 px on the same machine, without a GPU. An update counts when the page has
drawn a new frame; its age is the time from the frame's arrival to that moment. With --soak, then without a browser: so
many frames of 160×120 px as fast as they are looked at, with a reader of the page's messages, and the process's memory.
"""

import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
import viser
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.progress import track
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from knuckle.errors import SettingsError
from knuckle.sources import LiveFrame, Source, open_source
from knuckle.sources.source import Frames
from knuckle.sources.synthetic import CAMERA, SyntheticSource
from knuckle.viewer import Viewer

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
WARM_UP_SECONDS = 8
ASKED = {"frames_per_second": 30.0, "updates_per_second": 12.0, "age_ms": 200.0}
SMALL = replace(CAMERA, fx=CAMERA.fx / 4, fy=CAMERA.fy / 4, cx=79.5, cy=59.5, width=160, height=120)
SOAK_FRAMES = 300  # different ones
WATCH = """
() => {
  window.seen = [];
  let last = null;
  new MutationObserver(() => {
    const frame = document.querySelector("[data-knuckle=frame]");
    if (!frame || frame.dataset.frame === last) return;
    last = frame.dataset.frame;
    const arrived = Number(frame.dataset.arrivedMs);
    requestAnimationFrame(() => setTimeout(() => window.seen.push(Date.now() - arrived)));
  }).observe(document.body, {subtree: true, childList: true});
}
"""


def watch(seconds: int) -> dict[str, float]:
    """Rates, and the median age in ms, with one browser."""
    with (
        _browser() as path,
        Viewer(lambda: open_source("synthetic"), "synthetic", port=0, threads=1) as viewer,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.goto(f"http://127.0.0.1:{viewer.port}/")
        page.wait_for_selector("[data-knuckle=status][data-kind=well]", timeout=120_000)
        time.sleep(WARM_UP_SECONDS)
        page.evaluate(WATCH)
        began, before, dropped = time.monotonic(), viewer.frames, viewer.dropped
        time.sleep(seconds)
        spent, frames = time.monotonic() - began, viewer.frames - before
        dropped = viewer.dropped - dropped
        ages = page.evaluate("window.seen")
        browser.close()
    return {
        "frames_per_second": frames / spent,
        "dropped": dropped,
        "updates_per_second": len(ages) / spent,
        "age_ms": statistics.median(ages),
    }


@contextmanager
def _browser() -> Iterator[Path]:
    """Chromium as a user has it: where it runs as root, it gives its drawing priority over everything else, the viewer
    too, which a user's is not allowed to."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise SettingsError("no Chromium on this machine")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "chromium"
        without = "setpriv --bounding-set=-sys_nice --inh-caps=-sys_nice " if os.geteuid() == 0 else ""
        script.write_text(f'#!/bin/sh\nexec {without}{path} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        yield script


class Endless(Source):
    """The same frames over and over, each as soon as the last one was looked at."""

    name, is_live = "endless", True

    def __init__(self, frames: list[LiveFrame]) -> None:
        self._frames = frames
        self.looked = threading.Semaphore(1)

    def frames(self) -> Frames:
        for index in range(1_000_000_000):
            self.looked.acquire()
            shown = self._frames[index % len(self._frames)]
            yield replace(shown, timestamp=index / 30)


class Counted(Viewer):
    """Tells the source when a frame was looked at."""

    source: Endless

    def _watch(self, *arguments: Any) -> None:
        super()._watch(*arguments)
        self.source.looked.release()


def soak(frames: int) -> Iterator[tuple[int, float]]:
    """Frames looked at so far, and the memory of the process, MiB, at every hundredth part."""
    model = SyntheticSource(camera=SMALL, paced=False)
    Counted.source = Endless([model.frame(index)[0] for index in range(SOAK_FRAMES)])
    with Counted(lambda: Counted.source, "endless", port=0, threads=1) as viewer:
        threading.Thread(target=_read_messages, args=(viewer.port,), daemon=True).start()
        for part in range(1, 101):
            while viewer.frames < frames * part / 100:
                time.sleep(0.02)
            yield viewer.frames, _memory_mib()


def _read_messages(port: int) -> None:
    with connect(
        f"ws://127.0.0.1:{port}", subprotocols=[f"viser-v{viser.__version__}"], max_size=None, compression=None
    ) as socket:
        try:
            while True:
                socket.recv()
        except ConnectionClosed:
            return


def _memory_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(
    seconds: Annotated[int, typer.Option(min=1, help="How long to watch the page.")] = 20,
    frames: Annotated[int, typer.Option("--soak", min=0, help="Frames of the soak; 0 leaves it out.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Watch the page, then soak the viewer."""
    console = Console()
    found: dict[str, float] = watch(seconds)
    console.print(f"server: {found['frames_per_second']:.1f} frames/s (asked: {ASKED['frames_per_second']:g})")
    console.print(f"frames of the source's 30 a second that were not looked at: {found['dropped']:.0f}")
    console.print(f"page: {found['updates_per_second']:.1f} updates/s (asked: {ASKED['updates_per_second']:g})")
    console.print(f"age of a frame on the page: {found['age_ms']:.0f} ms, median (asked: {ASKED['age_ms']:g})")
    if frames:
        samples = [mib for _, mib in track(soak(frames), "soak", total=100, console=console)]
        settled, last = samples[9], samples[-1]
        console.print(f"soak: {frames} frames; memory after a tenth {settled:.0f} MiB, at the end {last:.0f} MiB")
        found |= {"soak_frames": frames, "settled_mib": settled, "last_mib": last, "most_mib": max(samples)}
    if as_json:
        print(json.dumps({name: round(value, 2) for name, value in found.items()}))


if __name__ == "__main__":
    typer.run(main)
