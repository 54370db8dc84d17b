"""Builds strokes.npz: the pen strokes of the world's letters, traced once from OFL Noto fonts.

Each letter is rendered large, thinned to a line one pixel wide, and cut into strokes: what a pen would
follow. Only these strokes are stored (a few dozen points a letter). ``mlcourse/tasks/glyphs.py`` turns
them into twenty drawers' versions when they are loaded.

Needs Pillow, fonttools and the Noto fonts (Debian: ``apt install fonts-noto-core fonts-noto-extra``):

    python data/glyphs/build.py            # about a minute; rewrites data/glyphs/strokes.npz
"""

from __future__ import annotations

import argparse
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fontTools import unicodedata as scripts_of
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

FONTS = Path("/usr/share/fonts/truetype/noto")
HERE = Path(__file__).parent

BOX = 96  # a letter's longer side when it is rendered, in pixels
MARGIN = 4
SPUR = 11  # side branches shorter than this are artefacts of thinning, not strokes
SPACING = 8.0  # distance of stored points along a stroke, in rendered pixels
PER_SCRIPT = 26  # letters kept of one script
FEWEST = 12  # a script with fewer usable letters is left out
SHORTEST = 0.8 * BOX
LONGEST = 6.5 * BOX  # ink longer than this does not fit 28 x 28 pixels
MOST_STROKES = 14
ALIKE_WITHIN = 0.88  # blurred drawings of one script that correlate more than this count as the same letter
ALIKE_ACROSS = 0.92  # the same for letters of two scripts

# Looked at first, so that of two look-alikes the better-known script keeps the letter.
FIRST = ("Latn", "Grek", "Cyrl")
# Of these only the everyday letters: phonetic and historical ones far outnumber them.
EVERYDAY = {"Latn": range(0x41, 0x7B), "Grek": range(0x391, 0x3CA), "Cyrl": range(0x410, 0x450)}
# Letters that look like one of another of the three; the comparison of drawings below is for all the rest.
LOOK_ALIKES = set("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγηικνορςτυχωАВЕКМНОРСТУХЬавегикмнопрстухьГЛПФлпф")
# No pen strokes: logographic or pictorial scripts, and tones set as letters.
LEFT_OUT = {"Zyyy", "Hani", "Tang", "Egyp", "Hluw", "Nshu", "Xsux", "Dupl", "Zinh"}
UNWANTED_FONTS = ("Display", "Slanted", "Mono", "UI", "Rashi", "Unjoined", "Looped", "Traditional")


class Letter(NamedTuple):
    script: str  # ISO 15924 code
    codepoint: int
    strokes: list[np.ndarray]  # each (n, 2): x to the right, y down, in 0..255


# ---------------------------------------------------------------- which letters, from which font


def fonts_by_script() -> dict[str, tuple[Path, list[int]]]:
    """For each script the regular Noto font with most of its letters (sans before serif), and those letters."""
    best: dict[str, tuple[tuple[int, bool], Path, list[int]]] = {}
    for path in sorted(FONTS.glob("*-Regular.ttf")):
        if any(word in path.name for word in UNWANTED_FONTS):
            continue
        letters: dict[str, list[int]] = {}
        for codepoint in sorted(TTFont(path, lazy=True).getBestCmap()):
            character, script = chr(codepoint), scripts_of.script(chr(codepoint))
            if unicodedata.category(character) not in ("Lo", "Ll", "Lu") or unicodedata.decomposition(character):
                continue
            if codepoint in EVERYDAY.get(script, (codepoint,)) and character not in LOOK_ALIKES:
                letters.setdefault(script, []).append(codepoint)
        for script, codepoints in letters.items():
            rank = (len(codepoints), "Sans" in path.name)
            if script not in best or rank > best[script][0]:
                best[script] = (rank, path, codepoints)
    order = [s for s in FIRST if s in best] + sorted(set(best) - set(FIRST) - LEFT_OUT)
    return {script: best[script][1:] for script in order}


def render(font_path: Path, codepoints: list[int]) -> tuple[list[int], np.ndarray]:
    """Draw letters as ink masks of one size: ``(codepoints that have ink, bool (n, side, side))``."""
    side = BOX + 2 * MARGIN
    probe = ImageFont.truetype(str(font_path), 200)
    kept, masks = [], []
    for codepoint in codepoints:
        left, top, right, bottom = probe.getbbox(chr(codepoint))
        longest = max(right - left, bottom - top)
        if longest < 20:
            continue
        font = ImageFont.truetype(str(font_path), 200 * BOX / longest)
        left, top, right, bottom = font.getbbox(chr(codepoint))
        page = Image.new("L", (side, side))
        corner = ((side - right - left) / 2, (side - bottom - top) / 2)
        ImageDraw.Draw(page).text(corner, chr(codepoint), fill=255, font=font)
        mask = np.asarray(page) > 127
        if mask.any():
            kept.append(codepoint)
            masks.append(mask)
    return kept, np.array(masks).reshape(-1, side, side)


# ---------------------------------------------------------------- from ink to strokes


def thin(masks: np.ndarray) -> np.ndarray:
    """Zhang and Suen's thinning (1984) of a stack of masks: lines one pixel wide that keep the ink's topology."""
    ink = masks.astype(np.uint8).copy()
    changed = True
    while changed:
        changed = False
        for phase in (0, 1):
            p = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
            rows, cols = ink.shape[1:]
            ring = [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0)]  # from north, clockwise
            n = [p[:, r : r + rows, c : c + cols] for r, c in ring]
            neighbours = sum(n)
            turns = sum((n[i] == 0) & (n[(i + 1) % 8] == 1) for i in range(8))
            north, east, south, west = n[0], n[2], n[4], n[6]
            if phase == 0:
                edge = (north * east * south == 0) & (east * south * west == 0)
            else:
                edge = (north * east * west == 0) & (north * south * west == 0)
            remove = (ink == 1) & (neighbours >= 2) & (neighbours <= 6) & (turns == 1) & edge
            if remove.any():
                ink[remove] = 0
                changed = True
    return ink.astype(bool)


def links(pixels: set[tuple[int, int]]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """The pixel graph: side neighbours, and corner neighbours that no shared side neighbour already joins."""
    graph = {}
    for r, c in pixels:
        out = [(r + a, c + b) for a, b in ((-1, 0), (1, 0), (0, -1), (0, 1)) if (r + a, c + b) in pixels]
        for a, b in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            if (r + a, c + b) in pixels and (r + a, c) not in pixels and (r, c + b) not in pixels:
                out.append((r + a, c + b))
        graph[(r, c)] = sorted(out)
    return graph


def components(nodes: set, graph: dict) -> list[list]:
    """Connected groups of ``nodes`` in ``graph``, in a fixed order."""
    left, groups = set(nodes), []
    for start in sorted(nodes):
        if start not in left:
            continue
        left.discard(start)
        group, todo = [], [start]
        while todo:
            node = todo.pop()
            group.append(node)
            for other in graph[node]:
                if other in left:
                    left.discard(other)
                    todo.append(other)
        groups.append(group)
    return groups


def walk(group: list, graph: dict) -> tuple[list, bool]:
    """Order the pixels of a piece without branches: ``(path, is it a closed ring?)``."""
    inside = set(group)
    ends = [p for p in group if sum(q in inside for q in graph[p]) <= 1]
    path = [min(ends) if ends else min(group)]
    inside.discard(path[0])
    while True:
        onward = [q for q in graph[path[-1]] if q in inside]
        if not onward:
            return path, not ends
        path.append(onward[0])
        inside.discard(onward[0])


def pieces(pixels: set[tuple[int, int]]) -> tuple[list[list], list[tuple[int, int]], list[np.ndarray]]:
    """Cut a skeleton at its junctions: ``(paths, (junction at start, at end) or -1, junction centres)``."""
    graph = links(pixels)
    crowded = {p for p in pixels if len(graph[p]) >= 3}
    junctions = components(crowded, graph)
    of_pixel = {p: j for j, group in enumerate(junctions) for p in group}
    paths, ends = [], []
    for group in components(pixels - crowded, graph):
        path, ring = walk(group, graph)
        at_start = [of_pixel[q] for q in graph[path[0]] if q in of_pixel]
        at_end = [of_pixel[q] for q in graph[path[-1]] if q in of_pixel]
        if len(path) == 1 and len(at_start) > 1:
            at_end = at_start[1:]
        elif len(path) == 1:
            at_end = []
        if ring and not at_start and not at_end:
            path = path + path[:1]
        paths.append(path)
        ends.append((at_start[0] if at_start else -1, at_end[0] if at_end else -1))
    return paths, ends, [np.mean(group, axis=0) for group in junctions]


def prune(pixels: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Drop short branches with a free end, which thinning leaves at blunt ends and corners."""
    for _ in range(2):
        paths, ends, _ = pieces(pixels)
        spurs = [p for p, (a, b) in zip(paths, ends, strict=True) if (a < 0) != (b < 0) and len(p) < SPUR]
        if not spurs:
            break
        mask = np.zeros((BOX + 2 * MARGIN,) * 2, bool)
        mask[tuple(np.array(sorted(pixels - {q for p in spurs for q in p})).T)] = True
        pixels = set(map(tuple, np.argwhere(thin(mask[None])[0])))
    return pixels


def join(paths: list[np.ndarray], ends: list[tuple[int, int]]) -> list[np.ndarray]:
    """At each junction let the two paths that continue straightest become one stroke, as a pen would."""
    paths, ends = list(paths), list(ends)

    def leaving(path: np.ndarray, at_end: bool) -> np.ndarray:
        inward = path[::-1] if at_end else path
        step = inward[min(10, len(inward) - 1)] - inward[0]
        return step / max(np.hypot(*step), 1e-9)

    for junction in sorted({j for pair in ends for j in pair if j >= 0}):
        while True:
            arms = [(i, k) for i, pair in enumerate(ends) for k in (0, 1) if pair[k] == junction]
            best = (-0.75, None, None)  # cosine: straighter than about 40 degrees off
            for n, (i, k) in enumerate(arms):
                for m, end in arms[n + 1 :]:
                    straight = leaving(paths[i], k == 1) @ leaving(paths[m], end == 1)
                    if m != i and straight < best[0]:
                        best = (straight, (i, k), (m, end))
            if best[1] is None:
                break
            (i, k), (m, end) = best[1], best[2]
            first = paths[i] if k == 1 else paths[i][::-1]
            second = paths[m] if end == 0 else paths[m][::-1]
            new_ends = (ends[i][1 - k], ends[m][1 - end])
            keep = [n for n in range(len(paths)) if n not in (i, m)]
            paths = [paths[n] for n in keep] + [np.concatenate([first, second[1:]])]
            ends = [ends[n] for n in keep] + [new_ends]
    return paths


def smooth_and_space(path: np.ndarray) -> np.ndarray:
    """Smooth away the pixel staircase, then keep points about ``SPACING`` pixels apart; the ends stay put."""
    ring = len(path) > 3 and np.allclose(path[0], path[-1])
    for _ in range(2):
        if len(path) > 4:
            around = np.concatenate([path[-2:-1], path, path[1:2]]) if ring else path
            middle = (around[:-2] + 2 * around[1:-1] + around[2:]) / 4
            path = middle if ring else np.concatenate([path[:1], middle, path[-1:]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    count = max(2, round(along[-1] / SPACING) + 1)
    at = np.linspace(0, along[-1], count)
    return np.stack([np.interp(at, along, path[:, axis]) for axis in (0, 1)], axis=1)


def trace(skeleton: np.ndarray) -> list[np.ndarray]:
    """One thinned letter (side, side) to its strokes, each (n, 2) of x, y in rendered pixels."""
    pixels = prune(set(map(tuple, np.argwhere(skeleton))))
    paths, ends, centres = pieces(pixels)
    full = []
    for path, (a, b) in zip(paths, ends, strict=True):
        before, after = ([centres[j][None]] if j >= 0 else [] for j in (a, b))
        full.append(np.concatenate([*before, np.array(path, float), *after]))
    strokes = [smooth_and_space(path)[:, ::-1] for path in join(full, ends)]
    return sorted(strokes, key=lambda s: (round(s[0, 1] + s[0, 0]), len(s)))  # from the top left, as one writes


def normalise(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """Centre the letter and let its longer side fill 0..255, whole numbers."""
    points = np.concatenate(strokes)
    low, high = points.min(0), points.max(0)
    scale = 255 / max((high - low).max(), 1)
    middle = (low + high) / 2
    return [np.clip(np.rint((s - middle) * scale + 127.5), 0, 255).astype(np.uint8) for s in strokes]


# ---------------------------------------------------------------- which letters stay


def blurred(strokes: list[np.ndarray]) -> np.ndarray:
    """A coarse, blurred drawing of unit length and zero mean: two of them correlate when letters look alike."""
    canvas = np.zeros((24, 24))
    for stroke in strokes:
        s = stroke.astype(float)
        t = np.linspace(0, 1, 17)[None, :, None]
        points = (s[:-1, None] * (1 - t) + s[1:, None] * t).reshape(-1, 2) / 255 * 17 + 3
        canvas[tuple(np.rint(points[:, ::-1]).astype(int).T)] = 1
    for _ in range(3):
        for axis in (0, 1):
            canvas = (np.roll(canvas, 1, axis) + 2 * canvas + np.roll(canvas, -1, axis)) / 4
    canvas -= canvas.mean()
    return canvas.ravel() / np.linalg.norm(canvas)


def alike(drawing: np.ndarray, others: list[np.ndarray]) -> float:
    """Correlation of a blurred drawing with the most similar one of others."""
    return float(np.max(np.array(others) @ drawing)) if others else 0.0


def length(strokes: list[np.ndarray]) -> float:
    return sum(float(np.hypot(*np.diff(s.astype(float), axis=0).T).sum()) for s in strokes) * BOX / 255


def letters_of(script: str, font: Path, codepoints: list[int], seen: list[np.ndarray]) -> list[Letter]:
    """The letters of one script that can be drawn with a pen and look like none that is kept already."""
    if len(codepoints) > 3 * PER_SCRIPT:  # a syllabary of hundreds: an even choice of them
        codepoints = [codepoints[i] for i in np.linspace(0, len(codepoints) - 1, 3 * PER_SCRIPT).astype(int)]
    codepoints, masks = render(font, codepoints)
    kept, mine = [], []
    for codepoint, skeleton in zip(codepoints, thin(masks), strict=True):
        strokes = trace(skeleton)
        if not 1 <= len(strokes) <= MOST_STROKES:
            continue
        strokes = normalise(strokes)
        if not SHORTEST < length(strokes) < LONGEST:
            continue
        drawing = blurred(strokes)
        if alike(drawing, seen) > ALIKE_ACROSS or alike(drawing, mine) > ALIKE_WITHIN:
            continue
        mine.append(drawing)
        kept.append(Letter(script, codepoint, strokes))
    if len(kept) < FEWEST:
        return []
    seen += mine
    return [kept[i] for i in np.linspace(0, len(kept) - 1, min(PER_SCRIPT, len(kept))).astype(int)]


def pack(letters: list[Letter]) -> dict[str, np.ndarray]:
    """Letters to flat arrays; the reader in ``mlcourse/tasks/glyphs.py`` states what each one means."""
    codes = list(dict.fromkeys(letter.script for letter in letters))
    strokes = [stroke for letter in letters for stroke in letter.strokes]
    return {
        "points": np.concatenate(strokes),
        "points_per_stroke": np.array([len(s) for s in strokes], np.uint8),
        "strokes_per_letter": np.array([len(letter.strokes) for letter in letters], np.uint8),
        "script": np.array([codes.index(letter.script) for letter in letters], np.uint8),
        "codepoint": np.array([letter.codepoint for letter in letters], np.uint32),
        "script_code": np.array(codes),
        "script_name": np.array([scripts_of.script_name(code).replace("_", " ") for code in codes]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "strokes.npz")
    out = parser.parse_args().out
    letters, seen = [], []
    for script, (font, codepoints) in fonts_by_script().items():
        new = letters_of(script, font, codepoints, seen)
        print(f"{script} {font.name:45s} {len(codepoints):4d} letters, {len(new):2d} kept", flush=True)
        letters += new
    arrays = pack(letters)
    np.savez_compressed(out, **arrays)
    print(f"{len(arrays['script_code'])} scripts, {len(letters)} letters, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
