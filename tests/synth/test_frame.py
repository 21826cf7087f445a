"""A whole rendered frame: the hand stands in front of the person, with labels and joints where it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knuckle.camera import Camera
from knuckle.synth.frame import _window, render_frame, render_scene
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import PROTOTYPES
from knuckle.synth.render import draw_ellipsoid

CAMERA = Camera(fx=300, fy=300, cx=159.5, cy=119.5, width=320, height=240)


@pytest.mark.parametrize("sensor", ["clean", "structured-light", "time-of-flight"])
def test_the_hand_is_where_it_was_placed(soma: HandModel, sensor: str) -> None:
    frame = render_frame(soma, CAMERA, "open", (-60.0, 10.0, 600.0), (0.0, 0.0, 0.0), sensor, np.random.default_rng(0))
    assert frame.depth.shape == frame.parts.shape == (240, 320)
    np.testing.assert_allclose(frame.joints.mean(axis=0), [-60, 10, 600], atol=6)
    assert set(np.unique(frame.parts)) == set(range(21))  # an open palm shows every part
    assert abs(np.median(frame.depth[frame.parts > 0]) - 600) < 40
    columns, rows = np.rint(CAMERA.project(frame.joints)).astype(int).T
    assert (frame.parts[rows, columns] > 0).mean() > 0.7  # a tip may fall between two noisy pixels


def test_fingers_of_an_upright_right_hand_point_up_with_the_thumb_to_the_right(soma: HandModel) -> None:
    """Seen by the camera, palm towards it: the image of one's own raised hand in a friend's eyes."""
    frame = render_frame(soma, CAMERA, "open", (0.0, 0.0, 600.0), (0.0, 0.0, 0.0), "clean", np.random.default_rng(0))
    wrist, index, middle_tip, pinky = frame.joints[[0, 5, 12, 17]]
    assert middle_tip[1] < wrist[1] - 100
    assert index[0] > pinky[0]


def test_a_gesture_may_be_given_by_its_angles(soma: HandModel) -> None:
    where = (0.0, 0.0, 600.0), (0.0, 0.0, 0.0)
    named, given, other = (render_scene(soma, CAMERA, it, *where)[2] for it in ("vee", PROTOTYPES["vee"], "fist"))
    np.testing.assert_array_equal(named, given)
    assert np.abs(named - other).max() > 20


@given(
    st.tuples(st.floats(-400, 400), st.floats(-400, 400), st.floats(-50, 900)),
    st.floats(20, 200),
    st.floats(40, 500),
)
@settings(max_examples=60)
def test_the_window_about_a_ball_holds_all_of_it(
    middle: tuple[float, float, float], radius: float, focal: float
) -> None:
    camera = Camera(fx=focal, fy=1.2 * focal, cx=41.3, cy=24.8, width=80, height=60)
    whole, part = (np.full((60, 80), np.inf) for _ in range(2))
    ball = np.eye(3) / radius
    draw_ellipsoid(np.array(middle), ball, camera.fx, camera.fy, camera.cx, camera.cy, whole)
    left, top, right, bottom = _window(camera, np.array(middle), radius)
    lens = (camera.fx, camera.fy, camera.cx - left, camera.cy - top)
    draw_ellipsoid(np.array(middle), ball, *lens, part[top:bottom, left:right])
    np.testing.assert_allclose(part, whole, rtol=1e-9)


def test_the_person_stays_while_hands_move(soma: HandModel) -> None:
    camera = Camera(fx=120.0, fy=120.0, cx=79.5, cy=59.5, width=160, height=120)
    first, second = (
        render_scene(soma, camera, "open", (x, 0.0, 500.0), (0.0, 0.0, 0.0))[0].copy() for x in (-60.0, 60.0)
    )
    again = render_scene(soma, camera, "open", (-60.0, 0.0, 500.0), (0.0, 0.0, 0.0))[0]
    np.testing.assert_array_equal(again, first)
    assert (first != second).any()
