"""The page's controls: each change is checked, told to the viewer, and answered in words where it is refused."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import viser

from knuckle.camera import Camera
from knuckle.crop import CUBE_MM
from knuckle.errors import KnuckleError
from knuckle.estimator import CUBE_RANGE_MM
from knuckle.smoothing import OneEuroSettings
from knuckle.sources import Source, open_source
from knuckle.viewer.feed import FeedState
from knuckle.viewer.upload import StillSource, uploaded_camera, uploaded_frame
from knuckle.viewer.watch import RANGE_MM, ViewSettings


class Viewed(Protocol):
    """What controls can do to a viewer."""

    settings: ViewSettings

    def play(self, open_it: Callable[[], Source], name: str) -> None: ...
    def pause(self, paused: bool) -> None: ...
    def step(self) -> None: ...
    def seek(self, index: int) -> None: ...
    def kept(self) -> bytes | None: ...
    def camera(self) -> Camera | None: ...


class Controls:
    """Adds the controls to a server's panel. may_open: whether the page may name any source, and so any path."""

    def __init__(self, server: viser.ViserServer, viewer: Viewed, source: str, may_open: bool) -> None:
        self._viewer = viewer
        self._camera: Camera | None = None  # that was uploaded
        gui = server.gui
        self._add_player(gui)
        with gui.add_folder("Hands"):
            self._add_hands(gui)
        with gui.add_folder("Source"):
            self._add_sources(gui, source, may_open)

    def follow(self, state: FeedState, index: int) -> None:
        """Brings the player up to date with what plays."""
        length = state.length or 0
        self._seek.visible = length > 1
        if length > 1:
            self._seek.max = length
            self._seek.value = min(index + 1, length)  # type: ignore[misc]
        self._pause.value = state.paused  # type: ignore[misc]
        self._step.disabled = not state.paused

    def _add_player(self, gui: viser.GuiApi) -> None:
        self._pause = gui.add_checkbox("Pause", False)
        self._step = gui.add_button("Single step", icon=viser.Icon.PLAYER_SKIP_FORWARD, disabled=True)
        self._seek = gui.add_slider("Frame", 1, 2, 1, 1, visible=False)
        keep = gui.add_button("Save frame", icon=viser.Icon.DOWNLOAD, hint="Depth, camera, joints and picture as a ZIP")
        self._pause.on_update(_by_a_person(lambda event: self._viewer.pause(event.target.value)))
        self._step.on_click(_by_a_person(lambda _: self._viewer.step()))
        self._seek.on_update(_by_a_person(lambda event: self._viewer.seek(int(event.target.value) - 1)))
        keep.on_click(_by_a_person(self._keep))

    def _add_hands(self, gui: viser.GuiApi) -> None:
        settings = self._viewer.settings
        hands = gui.add_dropdown("Hands", ("1", "2"), initial_value=str(settings.hands))
        side = gui.add_dropdown("Side", ("auto", "right", "left"), initial_value=settings.side)
        low, high = CUBE_RANGE_MM
        cube = gui.add_slider(
            "Cube, mm",
            low,
            high,
            10,
            settings.cube_mm,
            hint=f"Holds a hand: {CUBE_MM:g} for an adult's, less for a child's",
        )
        depth = gui.add_multi_slider("Depth, mm", *RANGE_MM, 10, (settings.near_mm, settings.far_mm), min_range=50)
        smooth = gui.add_checkbox("Smooth", settings.smoothing is not None)
        calm = gui.add_slider("Rest cutoff, Hz", 0.5, 10, 0.5, OneEuroSettings().cutoff_hz, hint="Lower is calmer")

        def change(_: Any) -> None:
            near, far = depth.value
            self._viewer.settings = replace(
                self._viewer.settings,
                hands=int(hands.value),
                side=side.value,
                cube_mm=float(cube.value),
                near_mm=float(near),
                far_mm=float(far),
                smoothing=OneEuroSettings(cutoff_hz=float(calm.value)) if smooth.value else None,
            )

        for control in (hands, side, cube, depth, smooth, calm):
            control.on_update(_by_a_person(change))

    def _add_sources(self, gui: viser.GuiApi, source: str, may_open: bool) -> None:
        if may_open:
            name = gui.add_text("Source", source, hint="synthetic, realsense, or a path on the viewer's machine")
            camera = gui.add_text("Camera file", "", hint="Of a folder or stack that has none of its own")
            go = gui.add_button("Open", icon=viser.Icon.PLAYER_PLAY)
            go.on_click(_by_a_person(lambda _: self._open(name.value.strip(), camera.value.strip() or None)))
        upload = gui.add_upload_button(
            "Upload depth image or camera.json",
            icon=viser.Icon.UPLOAD,
            hint="First the intrinsics, unless they are those of the source, then a .png, .npy or .bin",
        )
        upload.on_upload(_by_a_person(self._take))

    def _open(self, name: str, camera: str | None) -> None:
        def open_it() -> Source:
            return open_source(name, camera)

        open_it().close()  # a name that is none is refused at once, and what plays goes on
        self._viewer.play(open_it, name)

    def _take(self, event: viser.GuiEvent[Any]) -> None:
        name, content = event.target.value.name, event.target.value.content
        if name.lower().endswith(".json"):
            self._camera = uploaded_camera(name, content)
            _notify(event, "Camera taken", f"{name}: now upload a depth image that it took", "green")
            return
        camera = self._camera or self._viewer.camera()
        if camera is None:
            _notify(event, "Which camera?", f"{name}: upload the camera.json of the camera that took it first", "red")
            return
        still = StillSource(name, uploaded_frame(name, content, camera))
        self._viewer.play(lambda: still, name)
        _notify(event, "Uploaded", f"{name} is shown until another source is opened", "green")

    def _keep(self, event: viser.GuiEvent[Any]) -> None:
        packed = self._viewer.kept()
        if packed is None:
            _notify(event, "Nothing to save", "no frame has been shown yet", "red")
        elif event.client is not None:
            event.client.send_file_download("knuckle-frame.zip", packed, save_immediately=True)


def _by_a_person(react: Callable[[viser.GuiEvent[Any]], None]) -> Callable[[viser.GuiEvent[Any]], None]:
    """A callback for what somebody at a browser does, not for what the program sets; refusals are shown to them."""

    @functools.wraps(react)
    def called(event: viser.GuiEvent[Any]) -> None:
        if event.client is None:
            return
        try:
            react(event)
        except KnuckleError as error:
            _notify(event, "That does not work", str(error), "red")

    return called


def _notify(event: viser.GuiEvent[Any], title: str, body: str, color: Any) -> None:
    if event.client is not None:
        event.client.add_notification(title, body, color=color, auto_close_seconds=8.0)
