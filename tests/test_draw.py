"""Pictures: what a viewer must be able to read off them, sizes, and what must not break them."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from knuckle.anatomy import BONES, FINGERS, JOINT_FINGER, LABELS, PART_FINGER
from knuckle.draw import (
    FINGER_COLORS,
    PALETTE,
    WRIST_COLOR,
    contact_sheet,
    depth_image,
    hand_picture,
    overlay_parts,
    part_image,
    skeleton,
    write_image,
)
from knuckle.errors import KnuckleError, SettingsError

# How a red-blind and a green-blind eye see linear RGB: Machado, Oliveira, Fernandes 2009, severity 1.
COLOR_BLIND = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def open_hand(width: int, height: int) -> NDArray[np.float64]:
    """(21, 2) px: a flat open hand that fills an image; all joints well apart."""
    pixels = np.zeros((21, 2))
    pixels[0] = (0.5, 0.9)
    for finger in range(5):
        for step in range(4):
            pixels[1 + 4 * finger + step] = (0.2 + 0.15 * finger, 0.65 - 0.15 * step)
    return pixels * (width - 1, height - 1)


@dataclass
class DrawnHand:
    """A hand as the estimator gives it, in a frame of 160 x 120 px."""

    pixels: NDArray[np.float64] = field(default_factory=lambda: open_hand(60, 80) + np.array([70, 20]))
    parts: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((120, 160), dtype=np.uint8))
    confidence: NDArray[np.float64] = field(default_factory=lambda: np.ones(21))
    center: NDArray[np.float64] = field(default_factory=lambda: np.array([0.0, 0.0, 600.0]))
    side: str = "right"


def grey(height: int, width: int) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 128, dtype=np.uint8)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float32]:
    return cv2.cvtColor(np.float32(rgb)[None], cv2.COLOR_RGB2Lab)[0]


def seen_by(eye: str, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = rgb / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(COLOR_BLIND[eye]).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(("eye", "distance"), [("normal", 17), ("protan", 10), ("deutan", 10)])
def test_any_two_parts_can_be_told_apart(eye: str, distance: float) -> None:
    colors = lab(PALETTE[1:] / 255 if eye == "normal" else seen_by(eye, PALETTE[1:]))
    gaps = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert gaps[~np.eye(20, dtype=bool)].min() >= distance


def test_a_finger_has_one_hue_from_dark_to_light() -> None:
    assert PALETTE.shape == (len(LABELS), 3)
    colors = lab(PALETTE / 255)
    hue, finger_hue = (np.arctan2(c[:, 2], c[:, 1]) for c in (colors, lab(FINGER_COLORS / 255)))
    for finger in range(len(FINGERS)):
        labels = np.flatnonzero(finger == PART_FINGER)
        assert (np.diff(colors[labels, 0]) > 5).all()
        turns = np.abs(np.angle(np.exp(1j * (hue[labels][:, None] - finger_hue[None]))))  # (parts, 5) rad
        assert (turns.argmin(axis=1) == finger).all()
        assert (FINGER_COLORS[finger] == PALETTE[labels]).all(axis=1).any()


def test_nearer_is_lighter_and_nothing_is_darkest() -> None:
    depth = np.array([[0, 400, 500], [600, 700, 2000]], dtype=np.float32)
    image = depth_image(depth, near=400, far=800)
    assert image.shape == (2, 3, 3)
    assert image.dtype == np.uint8
    brightness = image.astype(int).sum(axis=2)
    assert brightness[0, 1] > brightness[0, 2] > brightness[1, 0] > brightness[1, 1] > brightness[1, 2]
    assert brightness[1, 2] > brightness[0, 0]
    np.testing.assert_array_equal(depth_image(np.full((2, 2), 300, np.float32), 400, 800)[0, 0], image[0, 1])


def test_depth_image_finds_its_own_range() -> None:
    rows = np.linspace(500, 900, 100, dtype=np.float32)
    image = depth_image(np.tile(rows[:, None], (1, 7)))
    assert int(image[0, 0, 0]) - int(image[-1, 0, 0]) > 150
    assert len(np.unique(depth_image(np.zeros((4, 5), np.float32)).reshape(-1, 3), axis=0)) == 1
    assert depth_image(np.full((4, 5), 700, np.float32)).min() >= 40  # a wall is not "no measurement"


def test_part_image_is_the_palette() -> None:
    parts = np.arange(21, dtype=np.uint8).reshape(3, 7)
    np.testing.assert_array_equal(part_image(parts).reshape(-1, 3), PALETTE)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 9), st.integers(1, 9))
def test_overlay_leaves_label_0_untouched_and_mixes_the_rest(seed: int, alpha: float, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    parts = rng.integers(0, 21, (height, width), dtype=np.uint8)
    before = image.copy()
    laid = overlay_parts(image, parts, alpha)
    np.testing.assert_array_equal(image, before)
    for row in range(height):
        for column in range(width):
            old, label = image[row, column].astype(float), parts[row, column]
            expected = old if label == 0 else (1 - alpha) * old + alpha * PALETTE[label]
            assert np.abs(laid[row, column] - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(("height", "width"), [(480, 640), (640, 200), (120, 500), (300, 300)])
def test_joints_and_bones_have_the_colour_of_their_finger(height: int, width: int) -> None:
    pixels = open_hand(width, height)
    image = grey(height, width)
    drawn = skeleton(image, pixels)
    np.testing.assert_array_equal(image, grey(height, width))
    for joint, (u, v) in enumerate(pixels):
        color = WRIST_COLOR if JOINT_FINGER[joint] < 0 else FINGER_COLORS[JOINT_FINGER[joint]]
        np.testing.assert_array_equal(drawn[round(v), round(u)], color)
    for parent, child in BONES:
        if parent:  # the bones of the wrist lie over one another near it
            u, v = np.rint((pixels[parent] + pixels[child]) / 2).astype(int)
            around = drawn[v - 1 : v + 2, u - 1 : u + 2].reshape(-1, 3).astype(int)  # a thin line is all soft edge
            assert np.abs(around - FINGER_COLORS[JOINT_FINGER[child]]).sum(axis=1).min() < 75


def test_lines_grow_with_the_picture() -> None:
    share = []
    for size in (200, 400, 800):
        drawn = skeleton(grey(size, size), open_hand(size, size))
        share.append((drawn != 128).any(axis=2).mean())
    assert max(share) < 2.5 * min(share)
    assert (skeleton(grey(400, 400), open_hand(400, 400), scale=2.0) != 128).mean() > share[1] * 1.3


def test_joints_of_a_small_hand_in_a_large_picture_do_not_run_together() -> None:
    pixels = open_hand(90, 90) + 400
    drawn = skeleton(grey(900, 900), pixels)
    for finger in range(4):
        u, v = np.rint((pixels[3 + 4 * finger] + pixels[7 + 4 * finger]) / 2).astype(int)
        np.testing.assert_array_equal(drawn[v, u], (128, 128, 128))


def test_a_joint_of_low_confidence_is_hollow_and_its_bones_are_faded() -> None:
    size = 400
    pixels, confidence = open_hand(size, size), np.ones(21)
    confidence[8] = 0.1  # index tip
    sure, unsure = skeleton(grey(size, size), pixels), skeleton(grey(size, size), pixels, confidence)
    column, row = np.rint(pixels[8]).astype(int)
    assert unsure[row, column].max() < 60
    rim = unsure[row, column : column + 12].astype(int)
    assert np.abs(rim - FINGER_COLORS[1]).sum(axis=1).min() < 60
    column, row = np.rint((pixels[7] + pixels[8]) / 2).astype(int)
    faded = np.abs(unsure[row, column].astype(int) - 128)
    assert (faded <= np.abs(sure[row, column].astype(int) - 128) * 0.7 + 1).all()
    assert faded.max() > 20
    column, row = np.rint(pixels[6]).astype(int)
    np.testing.assert_array_equal(unsure[row, column], FINGER_COLORS[1])
    np.testing.assert_array_equal(skeleton(grey(size, size), pixels, confidence, faint_below=0.05), sure)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e300, 3e9, -40_000, 700])
def test_joints_outside_the_picture_do_no_harm(value: float) -> None:
    pixels = open_hand(320, 240)
    pixels[8] = (value, 10)
    pixels[0, 1] = value
    drawn = skeleton(grey(240, 320), pixels)
    column, row = np.rint(pixels[12]).astype(int)
    np.testing.assert_array_equal(drawn[row, column], FINGER_COLORS[2])
    hand = DrawnHand()
    hand.pixels[5] = value
    assert hand_picture(np.full((120, 160), 600, np.float32), hand, tile=100).shape == (107, 200, 3)
    hand.pixels[:] = value
    assert hand_picture(np.full((120, 160), 600, np.float32), hand, tile=100).shape == (107, 200, 3)


def test_hand_picture_shows_the_hand_large_in_both_halves() -> None:
    depth = np.zeros((120, 160), dtype=np.float32)
    hand = DrawnHand()
    hand.parts[22:98, 72:128] = 8  # index tip
    depth[hand.parts > 0] = 600
    picture = hand_picture(depth, hand, tile=240, legend=False)
    assert picture.shape == (240, 480, 3)
    labelled = (np.abs(picture.astype(int) - PALETTE[8]).sum(axis=2) < 60)[:, 240:]
    assert labelled.mean() > 0.4
    for color in FINGER_COLORS:
        assert (picture[:, :240] == color).all(axis=2).sum() > 50


def test_hand_picture_puts_the_joints_where_the_hand_is() -> None:
    depth, hand = np.full((120, 160), 600, dtype=np.float32), DrawnHand()
    tips = {4: 4, 8: 8, 12: 12, 16: 16, 20: 20}  # label of each fingertip by its joint
    for joint, label in tips.items():
        column, row = np.rint(hand.pixels[joint]).astype(int)
        hand.parts[row - 1 : row + 2, column - 1 : column + 2] = label
    picture = hand_picture(depth, hand, tile=480, legend=False)
    for joint, label in tips.items():
        rows, columns = np.nonzero(np.abs(picture[:, 480:].astype(int) - PALETTE[label]).sum(axis=2) < 60)
        assert rows.size > 100
        row, column = round(rows.mean()), round(columns.mean())
        np.testing.assert_array_equal(picture[row, column], FINGER_COLORS[JOINT_FINGER[joint]])


def test_hand_picture_keeps_part_labels_and_depth_aligned() -> None:
    rng = np.random.default_rng(3)
    hand = DrawnHand()
    hand.parts[:] = rng.integers(0, 2, hand.parts.shape) * 20
    depth = np.where(hand.parts > 0, 600, 0).astype(np.float32)
    hand.pixels[:] = np.nan  # no skeleton over the depth
    picture = hand_picture(depth, hand, tile=960, legend=False).astype(int)
    part = np.abs(picture[:, 960:] - PALETTE[20]).sum(axis=2) < 120
    near = picture[:, :960, 0] > 80
    assert (part == near)[:, 2:-2].mean() > 0.95  # the depth picture has soft edges


def test_no_hand_is_said_in_words() -> None:
    depth = np.full((120, 160), 600, dtype=np.float32)
    empty = hand_picture(depth, None, tile=200)
    assert empty.shape == (214, 400, 3)
    assert (empty[:, 200:] > 180).any()
    assert hand_picture(depth, None, tile=200, legend=False).shape == (200, 400, 3)
    assert hand_picture(np.ones((900, 30), np.float32), None, tile=50, legend=False).shape == (50, 100, 3)


def test_legend_names_every_finger() -> None:
    legend = hand_picture(np.full((120, 160), 600, np.float32), DrawnHand())[480:]
    assert legend.shape == (34, 960, 3)
    for color in PALETTE[1:]:
        assert (legend == color).all(axis=2).any()


def test_contact_sheet_places_pictures_row_by_row() -> None:
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    images = [np.full((20 + 10 * i, 50 - 10 * i, 3), color, np.uint8) for i, color in enumerate(colors)]
    sheet = contact_sheet(images, columns=2, gap=8)
    assert sheet.shape == (8 + 2 * (40 + 8), 8 + 2 * (50 + 8), 3)
    for index, (image, color) in enumerate(zip(images, colors, strict=True)):
        rows, columns = np.nonzero((sheet == color).all(axis=2))
        assert rows.size == image.shape[0] * image.shape[1]
        assert rows.mean() == 8 + (index // 2) * 48 + 19.5
        assert columns.mean() == 8 + (index % 2) * 58 + 24.5


def test_contact_sheet_titles_take_their_own_rows() -> None:
    images = [np.zeros((30, 60, 3), np.uint8)] * 3
    sheet = contact_sheet(images, 5, titles=["first", "", "third"])
    assert sheet.shape == (30 + 22 + 16, 3 * 68 + 8, 3)
    lettered = [(sheet[8:30, 8 + 68 * i : 68 + 68 * i] > 150).any() for i in range(3)]
    assert lettered == [True, False, True]
    for i in range(3):
        assert not sheet[30:60, 8 + 68 * i : 68 + 68 * i].any()


@pytest.mark.parametrize("name", ["hand.png", "手 ✋.png", "main droite é.PNG"])
def test_written_pictures_are_read_back_in_rgb(tmp_path: Path, name: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    path = tmp_path / name
    for _ in range(2):  # the second write replaces the first
        write_image(path, image)
    read = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), image)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_jpeg_is_written_too(tmp_path: Path) -> None:
    write_image(tmp_path / "hand.jpg", np.full((16, 16, 3), (250, 20, 20), np.uint8))
    read = cv2.imread(str(tmp_path / "hand.jpg"))
    assert read[8, 8, 2] > 200 > read[8, 8, 0]


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    write_image(tmp_path / "new" / "sheets" / "hand.png", grey(4, 4))
    assert cv2.imread(str(tmp_path / "new" / "sheets" / "hand.png")).shape == (4, 4, 3)


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    image = grey(4, 4)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "hand.png", tmp_path / "folder.png"):
        with pytest.raises(KnuckleError, match=f"{path.name}: cannot write"):
            write_image(path, image)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.png"]
    for name in ("hand.gif", "hand"):
        with pytest.raises(SettingsError, match=name):
            write_image(tmp_path / name, image)


def test_wrong_forms_are_refused() -> None:
    image, parts = grey(4, 6), np.zeros((4, 6), np.uint8)
    depth = np.ones((4, 6), np.float32)
    with pytest.raises(SettingsError, match="height and width"):
        overlay_parts(image, parts.T)
    with pytest.raises(SettingsError, match="alpha"):
        overlay_parts(image, parts, alpha=1.5)
    with pytest.raises(SettingsError, match=r"0\.\.20.*21"):
        part_image(parts + 21)
    with pytest.raises(SettingsError, match="whole-number"):
        part_image(parts.astype(np.float32))
    with pytest.raises(SettingsError, match="21 joints"):
        skeleton(image, np.zeros((14, 2)))
    with pytest.raises(SettingsError, match="21 joints"):
        skeleton(image, np.zeros((21, 2)), np.ones(14))
    for bad in (image[..., 0], image.astype(np.float32), image[:0]):
        with pytest.raises(SettingsError, match="uint8 RGB"):
            skeleton(bad, np.zeros((21, 2)))
    with pytest.raises(SettingsError, match=r"\(H, W\)"):
        depth_image(depth[None])
    with pytest.raises(SettingsError, match="near"):
        depth_image(depth, near=800, far=400)
    with pytest.raises(SettingsError, match="depth frame's size"):
        hand_picture(depth, DrawnHand())
    with pytest.raises(SettingsError, match="pictures and columns"):
        contact_sheet([], 2)
    with pytest.raises(SettingsError, match="one title a picture"):
        contact_sheet([image], 2, titles=["a", "b"])
