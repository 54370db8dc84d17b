// What every view draws with: plots at their real width, so that letters keep their size. Strings of SVG, no state.

export const SUBSCRIPTS = ["₀", "₁", "₂", "₃", "₄", "₅", "₆", "₇", "₈", "₉"];
// With a real minus sign, but none before a zero that was rounded.
export const fixed = (value, digits = 2) => {
  const text = value.toFixed(digits);
  return text.replace("-", Number(text) ? "−" : "");
};
export const between = (low, value, high) => Math.max(low, Math.min(high, value));

// Where numbers lie in a picture of so many pixels, and back. margin: left, right, top, bottom.
export function plot(width, height, xs, ys, [left, right, top, bottom] = [40, 8, 10, 38]) {
  const [w, h] = [width - left - right, height - top - bottom];
  return {
    width, height, xs, ys, left, top, w, h,
    x: (value) => left + (w * (value - xs[0])) / (xs[1] - xs[0]),
    y: (value) => top + h - (h * (value - ys[0])) / (ys[1] - ys[0]),
    atX: (pixel) => xs[0] + ((xs[1] - xs[0]) * (pixel - left)) / w,
    atY: (pixel) => ys[0] + ((ys[1] - ys[0]) * (top + h - pixel)) / h,
  };
}

// As high as suits the width: wide enough to read on a phone, not too tall on a desk.
export const plotHeight = (width) => Math.round(between(270, width * 0.78, 340));

export const svgOpen = (p, label) =>
  `<svg viewBox="0 0 ${p.width} ${p.height}" width="${p.width}" height="${p.height}" role="img" aria-label="${label}">`;

export function grid(p, xTicks, yTicks, xLabel, yLabel) {
  const floor = p.top + p.h, text = (value) => String(value).replace("-", "−");
  const across = xTicks.map((value) => `<line class="grid" x1="${p.x(value)}" x2="${p.x(value)}" y1="${p.top}" y2="${floor}"/>
    <text class="tick" x="${p.x(value)}" y="${floor + 16}" text-anchor="middle">${text(value)}</text>`);
  const up = yTicks.map((value) => `<line class="grid" x1="${p.left}" x2="${p.left + p.w}" y1="${p.y(value)}" y2="${p.y(value)}"/>
    <text class="tick" x="${p.left - 6}" y="${p.y(value) + 4}" text-anchor="end">${text(value)}</text>`);
  return `${across.join("")}${up.join("")}
    <text class="label" x="${p.left + p.w / 2}" y="${p.height - 4}" text-anchor="middle">${xLabel}</text>
    <text class="label" transform="translate(12 ${p.top + p.h / 2}) rotate(-90)" text-anchor="middle">${yLabel}</text>`;
}

export const frame = (p) => `<rect class="frame" x="${p.left}" y="${p.top}" width="${p.w}" height="${p.h}"/>`;

// Points of the plot, [x, y], as a polyline.
export function line(p, places, kind) {
  const points = places.map(([x, y]) => `${p.x(x).toFixed(1)},${p.y(y).toFixed(1)}`);
  return `<polyline class="${kind}" points="${points.join(" ")}"/>`;
}

// A function's values at so many places between the plot's edges.
export function curve(p, f, kind, places = 121) {
  const [low, high] = p.xs, at = (i) => low + ((high - low) * i) / (places - 1);
  return line(p, Array.from({ length: places }, (_, i) => [at(i), f(at(i))]), kind);
}

// From one point of the plot to another; gap: how many pixels before its end it stops.
export function arrow(p, from, to, kind, gap = 0) {
  return arrowInPixels(p.x(from[0]), p.y(from[1]), p.x(to[0]), p.y(to[1]), kind, gap);
}

export function arrowInPixels(x1, y1, endX, endY, kind, gap = 0) {
  const full = Math.hypot(endX - x1, endY - y1), length = full - gap;
  if (!(length >= 1)) return "";
  const [ux, uy] = [(endX - x1) / full, (endY - y1) / full], [x2, y2] = [x1 + ux * length, y1 + uy * length];
  const head = between(4, length * 0.6, 9), side = head * 0.45, [bx, by] = [x2 - ux * head, y2 - uy * head];
  return `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${bx}" y2="${by}"/><polygon class="${kind} head"
    points="${x2},${y2} ${bx - uy * side},${by + ux * side} ${bx + uy * side},${by - ux * side}"/>`;
}

export function star(x, y, radius, kind) {
  const corner = (_, i) => {
    const r = i % 2 ? radius * 0.45 : radius, angle = (Math.PI * i) / 5 - Math.PI / 2;
    return `${(x + r * Math.cos(angle)).toFixed(1)},${(y + r * Math.sin(angle)).toFixed(1)}`;
  };
  return `<polygon class="${kind} star" points="${Array.from({ length: 10 }, corner).join(" ")}"/>`;
}

export const name = (x, y, text, kind = "") =>
  `<text class="name ${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="middle">${text}</text>`;
