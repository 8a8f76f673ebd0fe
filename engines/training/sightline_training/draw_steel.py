"""Draws steel-like pictures for golden results: grain, rolling marks, and scratches or dark patches on some.

They look a little like hot-rolled strip and come from no data set. A golden result says what the shipped model must
answer to them on every engine, not what is right.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 200


def strip(rng: np.random.Generator) -> Image.Image:
    """Bare strip: grain smeared along the rolling direction."""
    grain = rng.normal(0, 1, (SIZE, SIZE))
    marks = rng.normal(0, 1, (1, SIZE)).repeat(SIZE, 0)
    grey = np.clip(130 + 9 * grain + 5 * marks, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).filter(ImageFilter.GaussianBlur(0.8))


def scratched(rng: np.random.Generator) -> Image.Image:
    """Strip with bright lines along it."""
    picture = strip(rng)
    pen = ImageDraw.Draw(picture)
    for _ in range(3):
        x, y = rng.integers(20, SIZE - 20), rng.integers(0, 60)
        pen.line([(x, y), (x + rng.integers(-4, 5), y + rng.integers(80, 140))], fill=235, width=2)
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def patched(rng: np.random.Generator) -> Image.Image:
    """Strip with dark irregular patches."""
    low = rng.normal(0, 1, (8, 8)).astype(np.float32)
    field = np.asarray(Image.fromarray(low).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    grey = np.asarray(strip(rng), np.float32) - 70 * (field > 0.9)
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("out", type=Path, help="folder of the golden pictures")
    p.add_argument("drawings", nargs="*", default=["strip-1", "scratched-2", "patched-3"],
                   help="kind-seed, kind one of strip, scratched, patched")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for drawing in args.drawings:
        kind, seed = drawing.split("-")
        draw = {"strip": strip, "scratched": scratched, "patched": patched}[kind]
        draw(np.random.default_rng(int(seed))).save(args.out / f"steel-{seed}.png", optimize=True)


if __name__ == "__main__":
    main()
