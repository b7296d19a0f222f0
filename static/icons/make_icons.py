"""Draws the icons, the ring in small: `python static/icons/make_icons.py` (needs `pip install pillow`)."""

from pathlib import Path

from PIL import Image, ImageDraw

#: Wedges of the ring in small; of these, green.
WEDGES, DONE = 10, 7


def ring(size: int, background: str | None) -> Image.Image:
    """The ring, `size` pixels wide, drawn eight times as large and made smaller."""
    big = size * 8
    image = Image.new("RGBA", (big, big), background or (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)

    def disc(share: float, colour: str) -> None:
        low, high = big * (0.5 - share / 2), big * (0.5 + share / 2)
        pen.ellipse((low, low, high, high), fill=colour)

    edge = 0.86 if background else 1.0
    disc(edge, "#ffffff")
    step = 360 / WEDGES
    low, high = big * (0.5 - edge * 0.47), big * (0.5 + edge * 0.47)
    for index in range(WEDGES):
        first = -90 + index * step + 3
        colour = "#1b9148" if index < DONE else "#d5dbe4"
        pen.pieslice((low, low, high, high), first, first + step - 6, fill=colour)
    disc(edge * 0.62, "#ffffff")
    disc(edge * 0.54, "#1d55dd")
    return image.resize((size, size), Image.Resampling.LANCZOS)


def main() -> None:
    """Write favicon.ico and apple-touch-icon.png beside this script."""
    folder = Path(__file__).parent
    sizes = [16, 32, 48]
    icons = [ring(size, None) for size in sizes]
    icons[-1].save(folder / "favicon.ico", append_images=icons[:-1], sizes=[(s, s) for s in sizes])
    ring(180, "#edf1f6").convert("RGB").save(folder / "apple-touch-icon.png", optimize=True)


if __name__ == "__main__":
    main()
