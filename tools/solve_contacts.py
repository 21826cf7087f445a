"""Searches the angles at which a gesture's skins touch, on both hands at once, and says how well the stored ones do.

python tools/solve_contacts.py                     # how far apart and inside each other the stored gestures are
python tools/solve_contacts.py --search pinch ok   # new angles for `prior.PROTOTYPES`, from the stored ones on
"""

import argparse

import numpy as np

from knuckle.anatomy import POSE
from knuckle.synth.contact import CONTACTS, HandSkin, search
from knuckle.synth.hands import HandModel
from knuckle.synth.prior import PROTOTYPES

HANDS = ("makehuman", "soma")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gestures", nargs="*", default=list(CONTACTS))
    parser.add_argument("--search", action="store_true", help="look for better angles")
    parser.add_argument("--tries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    skins = [HandSkin(HandModel.load(name)) for name in HANDS]
    print("| gesture | hand | widest gap mm | deepest overlap mm | neighbours overlap mm |\n|---|---|---|---|---|")
    for gesture in options.gestures:
        contact, pose = CONTACTS[gesture], PROTOTYPES[gesture]
        if options.search:
            pose = search(skins, pose, contact, options.tries, np.random.default_rng(options.seed))
        for name, hand in zip(HANDS, skins, strict=True):
            points = hand.posed(pose)
            gap, overlap, pressed = max(hand.gaps(points, contact)), hand.overlap(points), hand.pressed(points)
            print(f"| {gesture} | {name} | {max(gap, 0):.1f} | {overlap:.1f} | {pressed:.1f} |", flush=True)
        if options.search:
            print({name: round(float(angle), 1) for name, angle in zip(POSE, pose, strict=True) if angle}, flush=True)


if __name__ == "__main__":
    main()
