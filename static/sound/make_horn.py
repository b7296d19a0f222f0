"""Makes the air horn: `python static/sound/make_horn.py` writes horn and long, as wav and mp3, beside itself.

The long one, for the last deal, is two short blasts and one that lasts.

The mp3 needs `pip install lameenc`. An air horn is a membrane that slaps shut some hundred times a
second behind a flare: here three bright, slightly mistuned pulse trains a third apart, a pitch that
settles from below as the air comes, a little rush of air, and the flare as a resonance.
"""

import array
import math
import random
import sys
import wave
from pathlib import Path

RATE = 22050
SECONDS = 1.7
#: The blasts of the long one: seconds when each begins, and how long it lasts.
LONG = ((0.0, 0.45), (0.55, 0.45), (1.1, 3.2))
#: Hz of the three trumpets, and how loud each is.
TRUMPETS = ((311.1, 1.0), (392.0, 0.8), (466.2, 0.6))
HARMONICS = 18


def samples(lasts: float) -> array.array:
    """A blast of the horn as 16-bit samples."""
    air = random.Random(20)  # noqa: S311 - no secret: the same horn each time
    sound = [0.0] * int(RATE * lasts)
    for hertz, loud in TRUMPETS:
        for mistuned in (0.997, 1.004):
            phase = 0.0
            for index in range(len(sound)):
                seconds = index / RATE
                phase += hertz * mistuned * (1 - 0.06 * math.exp(-seconds * 28)) / RATE
                sound[index] += loud * _pulse(phase % 1.0, hertz)
    low, band = 0.0, 0.0  # a state-variable filter: the flare rings at 1.6 kHz
    for index, dry in enumerate(sound):
        dry += air.uniform(-0.5, 0.5)
        low += 0.45 * band
        band += 0.45 * (dry - low - 0.7 * band)
        sound[index] = math.tanh(0.30 * (0.55 * dry + band)) * _envelope(index / RATE, lasts)
    loudest = max(abs(value) for value in sound)
    return array.array("h", (int(32000 * value / loudest) for value in sound))


def _pulse(phase: float, hertz: float) -> float:
    """One cycle of the membrane, without harmonics above what the rate can carry."""
    most = min(HARMONICS, int(RATE * 0.45 / hertz))
    total = 0.0
    for n in range(1, most + 1):  # not sum(), which has rounded differently since Python 3.12
        total += math.sin(2 * math.pi * n * phase) / n**0.7
    return total / 2.5


def _envelope(seconds: float, lasts: float) -> float:
    rise = min(1.0, seconds / 0.025)
    fall = min(1.0, (lasts - seconds) / 0.28)
    return rise * fall**1.5


def long_samples() -> array.array:
    """The blasts of the long one, one after the other."""
    begins, lasts = LONG[-1]
    sound = array.array("h", bytes(2 * int(RATE * (begins + lasts))))
    for begins, lasts in LONG:
        blast = samples(lasts)
        sound[int(RATE * begins) : int(RATE * begins) + len(blast)] = blast
    return sound


def write(path: Path, horn: array.array) -> None:
    """Write both files of a sound; `path` is without a suffix."""
    if sys.byteorder == "big":
        horn.byteswap()
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(horn.tobytes())
    import lameenc

    encoder = lameenc.Encoder()
    encoder.set_bit_rate(64)
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(1)
    encoder.set_quality(2)
    path.with_suffix(".mp3").write_bytes(bytes(encoder.encode(horn.tobytes()) + encoder.flush()))


if __name__ == "__main__":
    folder = Path(__file__).parent
    write(folder / "horn", samples(SECONDS))
    write(folder / "long", long_samples())
