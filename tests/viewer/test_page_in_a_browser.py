"""The page in a real browser, without a GPU: Chromium, driven by Playwright. KNUCKLE_BROWSER names another one."""

import io
import os
import shutil
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from streams import UNPLUGGED, Camera3D, Gate, frame

from knuckle import Camera, read_depth
from knuckle.cli.inference import FRAMES
from knuckle.depth import write_depth
from knuckle.draw import PALETTE
from knuckle.errors import DepthError
from knuckle.sources import BadFrame, LiveFrame, RecordedSource, Source
from knuckle.viewer import Viewer, upload, upload_limit

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 60  # s; machines that are busy take their time

KINDS = """
window.kinds = new Set();
setInterval(() => {
  const status = document.querySelector("[data-knuckle=status]");
  if (status) window.kinds.add(status.dataset.kind);
}, 20);
"""
"""Notes every kind of status that the page has shown, however short."""

LINKED = """
window.linked = 0;
const link = WebGL2RenderingContext.prototype.linkProgram;
WebGL2RenderingContext.prototype.linkProgram = function (program) {
  window.linked += 1;
  return link.call(this, program);
};
"""
"""Counts the shaders that the page has compiled."""

CAMERA_FILE = FRAMES / "camera.json"
OPEN_HAND = FRAMES / "1-open.png"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("KNUCKLE_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt install chromium, or set KNUCKLE_BROWSER to its path")
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[[Viewer], Page]]:
    pages: list[Page] = []

    def open_page(viewer: Viewer) -> Page:
        pages.append(browser.new_page(viewport={"width": 1280, "height": 720}, accept_downloads=True))
        pages[-1].set_default_timeout(1000 * PATIENCE)
        pages[-1].add_init_script(KINDS + LINKED)
        pages[-1].goto(viewer.address.replace(socket.gethostname(), "127.0.0.1"))
        pages[-1].wait_for_selector("[data-knuckle=status]")
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()


def hand_frame(index: int) -> LiveFrame:
    camera = Camera.load(CAMERA_FILE)
    return LiveFrame(index / 10, read_depth(OPEN_HAND, camera.depth_unit_mm), camera)


class HandTape(RecordedSource):
    """The same open hand 40 times, ten times a second."""

    name = "hand tape"

    def __init__(self) -> None:
        self._frame = hand_frame(0)

    def __len__(self) -> int:
        return 40

    def timestamp(self, index: int) -> float:
        return index / 10

    def frame(self, index: int) -> LiveFrame:
        self.check_index(index)
        return LiveFrame(index / 10, self._frame.depth, self._frame.camera)


@pytest.fixture
def view() -> Iterator[Callable[..., Viewer]]:
    viewers: list[Viewer] = []

    def start(open_it: Callable[[], Source], **options: object) -> Viewer:
        viewers.append(Viewer(open_it, "a source", port=0, threads=1, retry_seconds=0.5, **options))  # type: ignore[arg-type]
        return viewers[-1]

    yield start
    for viewer in viewers:
        viewer.close()


def shown(page: Page) -> int:
    """Number of the frame on the page."""
    return int(page.get_attribute("[data-knuckle=frame]", "data-frame") or -1)


def until(page: Page, true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, page.inner_text("[data-knuckle=status]")
        page.wait_for_timeout(50)


def await_status(page: Page, kind: str, words: str) -> None:
    page.wait_for_selector(f"[data-knuckle=status][data-kind={kind}]:has-text('{words}')")


def field(page: Page, label: str) -> Locator:
    """The text field of a control."""
    with_field = "xpath=ancestor::*[.//input[not(@type) or @type='text']][1]//input[not(@type) or @type='text']"
    return page.locator("label[for]").filter(has_text=label).last.locator(with_field).first


def enter(page: Page, label: str, text: str) -> None:
    field(page, label).fill(text)
    field(page, label).press("Enter")
    page.wait_for_timeout(300)  # the page sends what is typed a little later


def part_pixels(png: bytes) -> int:
    """How many pixels of a picture have just the colour of a part other than the palm."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return sum(int((picture == color).all(axis=2).sum()) for color in PALETTE[2:])


def test_it_loads_and_shows_the_hand(view: Callable[..., Viewer], visit: Callable[..., Page]) -> None:
    page = visit(view(HandTape))
    await_status(page, "well", "1 hand")
    assert "hand tape" in page.inner_text("[data-knuckle=status]")
    until(page, lambda: part_pixels(page.locator("canvas").first.screenshot()) > 100)
    image = page.locator("img[src^=blob]").first
    until(page, lambda: image.bounding_box() is not None)
    box = image.bounding_box()
    assert box is not None
    assert 1.9 < box["width"] / box["height"] < 3.2  # depth and part map, side by side
    until(page, lambda: shown(page) >= 2)
    for words in ("frames/s", "parts", "joints", "locate, crop, track", "draw", "encode and send", "arrived to sent"):
        assert words in page.inner_text("[data-knuckle=pace]")
    page.wait_for_selector("[data-knuckle=confidence] td[title=index_tip]")
    assert "right hand" in page.inner_text("[data-knuckle=confidence]")


def test_a_frame_compiles_no_shader(view: Callable[..., Viewer], visit: Callable[..., Page]) -> None:
    page = visit(view(HandTape))
    await_status(page, "well", "1 hand")
    until(page, lambda: shown(page) >= 5)
    until(page, lambda: part_pixels(page.locator("canvas").first.screenshot()) > 100)
    before, first = page.evaluate("window.linked"), shown(page)
    assert before > 0
    until(page, lambda: shown(page) not in range(first, first + 5))
    assert page.evaluate("window.linked") == before


def test_the_controls_work(view: Callable[..., Viewer], visit: Callable[..., Page]) -> None:
    viewer = view(HandTape)
    page = visit(viewer)
    await_status(page, "well", "1 hand")
    page.get_by_label("Pause").check()
    await_status(page, "paused", "paused")
    page.wait_for_timeout(500)
    held = shown(page)
    page.wait_for_timeout(500)
    assert shown(page) == held
    page.get_by_role("button", name="Single step").click()
    until(page, lambda: shown(page) == (held + 1) % 40)
    enter(page, "Frame", "31")
    until(page, lambda: shown(page) == 30)
    page.get_by_label("Pause").uncheck()
    until(page, lambda: shown(page) not in (30, held))
    page.get_by_label("Smooth").uncheck()
    until(page, lambda: viewer.settings.smoothing is None)
    page.get_by_label("Side").click()
    page.get_by_role("option", name="left").click()
    until(page, lambda: viewer.settings.side == "left")
    page.get_by_label("Hands").click()
    page.get_by_role("option", name="2").click()
    until(page, lambda: viewer.settings.hands == 2)
    enter(page, "Cube, mm", "200")
    until(page, lambda: viewer.settings.cube_mm == 200)


def test_a_frame_can_be_saved(view: Callable[..., Viewer], visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit(view(HandTape))
    await_status(page, "well", "1 hand")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save frame").click()
    path = tmp_path / "frame.zip"
    download.value.save_as(path)
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        archive.extractall(tmp_path)
    saved = Camera.load(tmp_path / "camera.json")
    np.testing.assert_array_equal(read_depth(tmp_path / "depth.png", saved.depth_unit_mm), hand_frame(0).depth)
    assert saved == Camera.load(CAMERA_FILE)


def test_uploads_are_shown_or_refused(view: Callable[..., Viewer], visit: Callable[..., Page], tmp_path: Path) -> None:
    viewer = view(HandTape)
    page = visit(viewer)
    await_status(page, "well", "1 hand")
    files = page.locator("input[type=file]")
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    files.set_input_files(tmp_path / "bad.png")
    page.get_by_text("That does not work").wait_for()
    page.get_by_text("bad.png: ").first.wait_for()
    looked = viewer.frames
    until(page, lambda: viewer.frames > looked)
    write_depth(tmp_path / "small.png", frame(0).depth, 0.5)
    files.set_input_files(tmp_path / "small.png")  # of another size than the source's camera
    page.get_by_text("small.png: ").first.wait_for()
    assert "hand tape" in page.inner_text("[data-knuckle=status]")
    files.set_input_files(CAMERA_FILE)
    page.get_by_text("Camera taken").wait_for()
    files.set_input_files(OPEN_HAND)
    await_status(page, "well", "1-open.png")
    await_status(page, "well", "1 hand")


def test_uploads_that_are_too_large_are_dropped_on_their_way(
    view: Callable[..., Viewer], visit: Callable[..., Page], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_limit, "MAX_BYTES", 1 << 20)
    viewer = view(HandTape)
    page = visit(viewer)
    await_status(page, "well", "1 hand")
    taken: list[str] = []
    monkeypatch.setattr(upload, "_through_file", lambda name, *_: taken.append(name))
    (tmp_path / "large.npy").write_bytes(bytes(3 << 20))
    page.locator("input[type=file]").set_input_files(tmp_path / "large.npy")
    page.get_by_text("at most").first.wait_for()
    assert not viewer._server.gui._current_file_upload_states
    assert not taken
    await_status(page, "well", "1 hand")


def test_sources_are_opened_and_wrong_names_refused(
    view: Callable[..., Viewer], visit: Callable[..., Page], tmp_path: Path
) -> None:
    viewer = view(HandTape)
    page = visit(viewer)
    await_status(page, "well", "1 hand")
    enter(page, "Source", str(tmp_path / "nothing"))
    page.get_by_role("button", name="Open", exact=True).click()
    page.get_by_text("there is no such file or folder").wait_for()
    assert "hand tape" in page.inner_text("[data-knuckle=status]")
    for index in range(3):
        shutil.copy(OPEN_HAND, tmp_path / f"{index}.png")
    shutil.copy(CAMERA_FILE, tmp_path)
    enter(page, "Source", str(tmp_path))
    page.get_by_role("button", name="Open", exact=True).click()
    await_status(page, "well", tmp_path.name)
    await_status(page, "well", "1 hand")


def test_faults_are_shown_and_survived(view: Callable[..., Viewer], visit: Callable[..., Page]) -> None:
    opened: list[bool] = []
    gate, seen = Gate(), threading.Event()

    def script() -> Iterator[LiveFrame | BadFrame | Exception]:
        good = hand_frame(0)
        while len(opened) > 1 or not seen.is_set():
            time.sleep(0.1)
            yield good
        gate.wait()
        yield LiveFrame(1.0, good.depth[:100], good.camera)  # another size than its camera's
        gate.wait()
        yield BadFrame(2.0, DepthError("frame 17: torn"))
        yield good
        gate.wait()
        yield UNPLUGGED

    def open_it() -> Source:
        opened.append(True)
        return Camera3D(script)

    page = visit(view(open_it))
    await_status(page, "well", "1 hand")
    seen.set()
    await_status(page, "silent", "no frame for")
    gate.open()
    page.wait_for_function("window.kinds.has('error')")
    gate.open()
    page.wait_for_selector("[data-knuckle=status]:has-text('1 frames could not be read; the last: frame 17: torn')")
    gate.open()
    page.wait_for_function("window.kinds.has('fault')")
    await_status(page, "well", "1 hand")
    assert len(opened) == 2


def test_two_browsers_see_the_same(view: Callable[..., Viewer], visit: Callable[..., Page]) -> None:
    viewer = view(HandTape)
    first, second = visit(viewer), visit(viewer)
    for page in (first, second):
        await_status(page, "well", "1 hand")
    before = shown(first), shown(second)
    until(first, lambda: shown(first) != before[0])
    until(second, lambda: shown(second) != before[1])
    first.get_by_label("Pause").check()
    await_status(second, "paused", "paused")
    until(second, second.get_by_label("Pause").is_checked)
    first.close()
    second.get_by_label("Pause").uncheck()
    await_status(second, "well", "1 hand")


FRAMES_ASKED = """
async (seconds) => {
  let count = 0, cancelled = 0;
  const go = () => { count += 1; requestAnimationFrame(go); };
  requestAnimationFrame(go);
  const never = requestAnimationFrame(() => { cancelled += 1; });
  cancelAnimationFrame(never);
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  return [count / seconds, cancelled];
}
"""
"""Frames a second that a page gets which asks for all it can get, and answers to a request that was taken back."""


def test_a_browser_that_draws_in_software_draws_less(
    view: Callable[..., Viewer], visit: Callable[[Viewer], Page], browser: Browser
) -> None:
    script = resources.files("knuckle.viewer").joinpath("fewer_frames.js").read_text(encoding="utf-8")
    page = visit(view(HandTape))
    assert "SwiftShader" in (page.get_attribute("html", "data-renderer") or "")
    rate, cancelled = page.evaluate(FRAMES_ASKED, 2)
    assert 3 < rate <= 26
    assert cancelled == 0
    other = browser.new_page()
    other.goto("about:blank")
    other.evaluate("WebGL2RenderingContext.prototype.getParameter = () => 'A GPU of some kind';" + script)
    assert other.get_attribute("html", "data-renderer") == "A GPU of some kind"
    assert other.evaluate("requestAnimationFrame.toString()") == "function requestAnimationFrame() { [native code] }"
    other.close()


def test_a_tab_that_slept_goes_on_with_the_newest_frame(
    view: Callable[..., Viewer], visit: Callable[..., Page]
) -> None:
    viewer = view(HandTape)
    page = visit(viewer)
    await_status(page, "well", "1 hand")
    control = page.context.new_cdp_session(page)
    control.send("Page.setWebLifecycleState", {"state": "frozen"})
    slept = viewer.frames
    while viewer.frames < slept + 30:
        time.sleep(0.1)
    control.send("Page.setWebLifecycleState", {"state": "active"})
    until(page, lambda: (viewer._look is not None) and abs(viewer._look.index - shown(page)) <= 2)


def test_the_page_comes_back_when_the_viewer_is_started_again(
    view: Callable[..., Viewer], visit: Callable[..., Page]
) -> None:
    first = view(HandTape)
    page = visit(first)
    await_status(page, "well", "1 hand")
    first.close()
    again = Viewer(HandTape, "again", port=first.port, threads=1)
    try:
        if again.port != first.port:
            pytest.skip("another program took the port in between")
        until(page, lambda: again._look is not None)
        before = shown(page)
        until(page, lambda: shown(page) != before)
    finally:
        again.close()


def test_beyond_this_machine_no_source_can_be_named(view: Callable[..., Viewer], visit: Callable[..., Page]) -> None:
    page = visit(view(HandTape, host="0.0.0.0"))
    await_status(page, "well", "1 hand")
    assert "token" not in page.url  # nor in the history
    page.reload()
    await_status(page, "well", "1 hand")
    assert page.get_by_role("button", name="Open", exact=True).count() == 0
    assert page.get_by_role("button", name="Upload depth image").count() == 1
    assert page.get_by_role("button", name="Share").count() == 0
