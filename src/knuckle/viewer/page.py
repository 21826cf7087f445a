"""What the page shows: the scene, the two images, and the numbers beside them. It reads no control."""

import time

import numpy as np
import viser

from knuckle.estimator import Hand
from knuckle.tracking import MAX_HANDS
from knuckle.viewer.cloud import BONE_COLORS, PANEL_WIDTH, bones, dots, joint_colors, panel, part_map, point_cloud
from knuckle.viewer.feed import FeedState
from knuckle.viewer.numbers import Pace, confidence_html, frame_html, pace_html, status_html
from knuckle.viewer.watch import Look, ViewSettings

_NUMBERS_SECONDS = 0.25  # between updates of what nobody reads any faster
_POINT_M, _JOINT_PX, _BONE_PX = 0.0013, 12.0, 5.0  # points so small that the skeleton shows between them
_AXES = np.array([[[0, 0, 0], end] for end in 0.04 * np.eye(3)], np.float32)  # m: x, y and z at the sensor
_AXES_RGB = np.array([[color, color] for color in 200 * np.eye(3)], np.uint8)
_JPEG_QUALITY = 80
_LEFT_WIDTH, _RIGHT_WIDTH = 520, 300  # px


class Page:
    """The display part of a page that all browsers share."""

    def __init__(self, server: viser.ViserServer) -> None:
        self._server = server
        self._pace, self._shown = Pace(), Pace()
        self._told = 0.0
        self._error = ""
        self._last: Look | None = None
        self._make_scene()
        panel_ = server.gui.add_panel()
        with panel_.add_tab("Depth, parts and joints"):
            self._image = server.gui.add_image(
                np.zeros((PANEL_WIDTH * 3 // 4, 2 * PANEL_WIDTH, 3), np.uint8),
                format="jpeg",
                jpeg_quality=_JPEG_QUALITY,
            )
            self._frame = server.gui.add_html("")
            self._confidence = server.gui.add_html("")
        panel_.dock_left()
        panel_.set_width(_LEFT_WIDTH)
        server.gui.main_panel.dock_right()
        server.gui.main_panel.set_width(_RIGHT_WIDTH)
        self._status = server.gui.add_html("")
        self._times = server.gui.add_html("")

    def count(self, look: Look) -> None:
        """Takes note of a look, whether or not it is shown."""
        self._pace.add(time.monotonic(), look.stages_ms)
        self._last, self._error = look, ""

    def show(self, look: Look, settings: ViewSettings, state: FeedState) -> None:
        """Puts a look on the page."""
        started = time.monotonic()
        hands = [found.hand for found in look.hands]
        parts = part_map(hands, look.frame.depth.shape)
        points, colors = point_cloud(look.frame, parts, settings.near_mm, settings.far_mm)
        picture = panel(look.frame, hands, parts, settings.near_mm, settings.far_mm)
        drawn = time.monotonic()
        with self._server.atomic():
            self._cloud.points, self._cloud.colors = points, colors
            for slot in range(MAX_HANDS):
                self._show_hand(slot, hands[slot] if slot < len(hands) else None)
            self._image.image = picture
            arrived = time.time() - (time.monotonic() - look.arrived)
            self._frame.content = frame_html(look.index, look.frame.timestamp, state.length, arrived)
        sent = time.monotonic()
        self._shown.add(sent, {"draw": 1000 * (drawn - started), "encode and send": 1000 * (sent - drawn)})

    def fail(self, error: str) -> None:
        """A frame came that could not be looked at: what is shown stays, and the status says why."""
        self._error = error

    def tell(self, state: FeedState, silent_s: float) -> bool:
        """Brings status and numbers up to date, and returns True, if that was not done just now."""
        if time.monotonic() - self._told < _NUMBERS_SECONDS:
            return False
        self._told = time.monotonic()
        hands = [] if self._last is None else self._last.hands
        with self._server.atomic():
            self._status.content = status_html(state, silent_s, self._error, len(hands), self._last is not None)
            self._times.content = pace_html(self._pace, self._shown)
            self._confidence.content = confidence_html(hands)
        return True

    def forget(self) -> None:
        """Another source begins: nothing of the last one is left, but its last frame until the next one comes."""
        self._pace, self._shown, self._error, self._last, self._told = Pace(), Pace(), "", None, 0.0

    def _make_scene(self) -> None:
        server = self._server
        server.scene.set_up_direction("-y")  # y points down in camera axes
        server.initial_camera.position, server.initial_camera.look_at = (0.22, -0.14, 0.14), (-0.01, 0.02, 0.48)
        server.scene.configure_default_lights(enabled=False)  # points and lines need none, and shadows cost frames
        server.scene.add_line_segments("/sensor", _AXES, _AXES_RGB, thickness=2.0, thickness_units="screen")
        # viser makes a new material for every update of a point cloud's colours. Unless another cloud uses the shader
        # all the time, the browser compiles it anew each time, which without a GPU takes longer than drawing.
        server.scene.add_point_cloud(
            "/sensor/origin", _AXES[:2, 0], _AXES_RGB[:2, 0], point_size=_POINT_M, point_shading="flat"
        )
        nothing = np.zeros((0, 3), np.float32)
        self._cloud = server.scene.add_point_cloud(
            "/depth", nothing, nothing.astype(np.uint8), point_size=_POINT_M, point_shading="flat"
        )
        self._bones, self._joints = [], []
        for slot in range(MAX_HANDS):
            self._bones.append(
                server.scene.add_line_segments(
                    f"/hand{slot}/bones",
                    np.zeros((20, 2, 3), np.float32),
                    BONE_COLORS,
                    thickness=_BONE_PX,
                    thickness_units="screen",
                )
            )
            self._joints.append(  # dots: half the cost of a second point cloud in a browser without a GPU
                server.scene.add_line_segments(
                    f"/hand{slot}/joints",
                    np.zeros((21, 2, 3), np.float32),
                    np.zeros((21, 2, 3), np.uint8),
                    thickness=_JOINT_PX,
                    thickness_units="screen",
                )
            )
            self._show_hand(slot, None)

    def _show_hand(self, slot: int, hand: Hand | None) -> None:
        for handle in (self._bones[slot], self._joints[slot]):
            handle.visible = hand is not None
        if hand is not None:
            self._bones[slot].points = bones(hand)
            self._joints[slot].points = dots(hand)
            self._joints[slot].colors = joint_colors(hand)
