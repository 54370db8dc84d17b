// Grey images that travel as short text (images.py writes it): read here, and drawn as SVG in the page's own ink.

const FULL_INK = 15;

// "a209imp3n…": a letter for a grey, from a (paper) to p (ink), then how often it comes, if more than once.
// Gives whole numbers from 0 to 15, row by row.
export function readImage(text) {
  const run = ([, letter, length]) => Array(Number(length || 1)).fill(letter.charCodeAt(0) - 97);
  return [...text.matchAll(/([a-p])(\d*)/g)].flatMap(run);
}

// The image as SVG, one unit a pixel: a path for each grey, of a bar for each run.
export function inkOf(levels, width) {
  const bars = {};
  for (let start = 0, end; start < levels.length; start = end) {
    end = start + 1;
    while (end % width && levels[end] === levels[start]) end += 1;
    if (levels[start]) (bars[levels[start]] ??= []).push(`M${start % width} ${Math.floor(start / width)}h${end - start}v1h${start - end}z`);
  }
  return Object.entries(bars).map(([level, paths]) =>
    `<path class="ink" fill-opacity="${(level / FULL_INK).toFixed(2)}" d="${paths.join("")}"/>`).join("");
}

// A tile that holds it. kind: its frame.
export const tile = (levels, width, kind) => `<span class="mlc-tile mlc-${kind}"><svg viewBox="0 0 ${width} ${levels.length / width}"
  aria-hidden="true">${inkOf(levels, width)}</svg></span>`;
