// Five points in a plane that the reader places, the wave behind them, and networks that adapt to them: what the widgets
// share that show it. `plane.py` has the same for a kernel; `mlp.js` does the arithmetic.

import { between, curve, fixed, frame, grid, line, plot } from "../plot.js";
import { button, handle, plane, set, unique, widthOf } from "../controls.js";
import { descend, predict, squaredError } from "./mlp.js";
import { uniforms } from "../random.js";

const GRID = Array.from({ length: 201 }, (_, i) => -5 + i / 20); // where curves are drawn and judged
const MARGINS = [40, 66, 10, 38]; // the names of the curves stand at the right
const LINE_OF_TEXT = 15; // pixels

// An object with the keys of another one.
export const mapped = (object, make) => Object.fromEntries(Object.keys(object).map((key) => [key, make(key)]));

const sine = ([amplitude, phase]) => (x) => amplitude * Math.sin(x - phase);
const onTheWave = (wave, points, near) => wave.length && points.every(([x, y]) => Math.abs(sine(wave)(x) - y) < near);

// A wave of the family and five places on it. Equal seeds give equal waves.
function drawWave({ amplitude, phase }, [low, high], seed) {
  const uniform = uniforms(seed);
  const wave = [uniform(...amplitude), uniform(...phase)], xs = Array.from({ length: 5 }, () => uniform(low, high));
  return { wave, points: xs.sort((a, b) => a - b).map((x) => [x, sine(wave)(x)]) };
}

// --- what is drawn ------------------------------------------------------------------------------------------

// A network's curve; what has run away leaves the picture through its edge, what is no number at all is not drawn.
function networkCurve(p, values, kind) {
  const far = (value) => between(2 * p.ys[0], value, 2 * p.ys[1]);
  return values.every(Number.isFinite) ? line(p, GRID.map((x, i) => [x, far(values[i])]), kind) : "";
}

// The names beside the right ends of the curves, moved apart where they would overlap.
function ends(p, names) {
  const places = names.map(({ text, kind, value }) => {
    const off = value > p.ys[1] ? " ↑" : value < p.ys[0] ? " ↓" : Number.isFinite(value) ? "" : " ?";
    return { text: text + off, kind, y: p.y(off === " ?" ? p.ys[1] : between(p.ys[0], value, p.ys[1])) };
  }).sort((a, b) => a.y - b.y);
  places.forEach((place, i) => { if (i) place.y = Math.max(place.y, places[i - 1].y + LINE_OF_TEXT); });
  let floor = p.top + p.h;
  places.reverse().forEach((place) => { floor = (place.y = Math.min(place.y, floor)) - LINE_OF_TEXT; });
  return places.map(({ text, kind, y }) => `<text class="end ${kind}" x="${p.left + p.w + 5}" y="${y + 4}">${text}</text>`).join("");
}

function drawScene(p, data, before, now, truth, clip) {
  const methods = Object.keys(data.names), names = methods.map((m) => ({ text: data.names[m], kind: m, value: now[m].at(-1) }));
  if (truth) names.push({ text: "truth", kind: "truth", value: truth(p.xs[1]) });
  return [
    `<clipPath id="${clip}"><rect x="${p.left}" y="${p.top}" width="${p.w}" height="${p.h}"/></clipPath>`,
    grid(p, [-4, -2, 0, 2, 4], [-6, -4, -2, 0, 2, 4, 6], "x", "y"), frame(p),
    `<g clip-path="url(#${clip})">`,
    truth ? curve(p, truth, "truth") : "",
    ...methods.map((m) => networkCurve(p, before[m], `before ${m}`)),
    ...methods.map((m) => networkCurve(p, now[m], `after ${m}`)),
    "</g>", ends(p, names),
  ].join("");
}

// --- the page around it ------------------------------------------------------------------------------------

export const PLANE = `<figure class="mlc-panel mlc-plane"><figcaption><b>Drag the points, or click in the plane</b>
  <span class="mlc-of"><label><input type="checkbox" class="mlc-reveal"><span></span></label></span></figcaption><div class="mlc-canvas"></div></figure>`;

export function presetButtons({ presets }) {
  const [first, ...others] = presets.map((one, i) => button(`preset-${i}`, one.name));
  return `<div class="mlc-starts"><span>Five points from:</span>${[first, button("new", "A new wave"), ...others].join("")}</div>`;
}

export function errorTable(data) {
  const row = ([m, name]) => `<tr data-row="${m}"><th scope="row"><div><svg width="28" height="12" aria-hidden="true"><line class="after ${m}"
    x1="3" x2="25" y1="6" y2="6"/></svg><span>${name}<small>${data.about[m]}</small></span></div></th><td></td><td></td></tr>`;
  return `<table class="mlc-table"><caption>Mean squared error, before any step → now</caption><thead><tr><td></td><th scope="col">five
    points</th><th scope="col">whole wave</th></tr></thead><tbody>${Object.entries(data.names).map(row).join("")}</tbody></table>`;
}

// Each method's error on the five points, and on the whole wave where that is shown.
function fillTable(root, data, { losses, errors, step, known }) {
  const cell = (value) => (value < data.large ? fixed(value) : `${data.large}+`), change = (from, to) => `${cell(from)} → ${cell(to)}`;
  Object.keys(data.names).forEach((m) => {
    const cells = root.querySelectorAll(`[data-row="${m}"] td`);
    cells[0].textContent = change(losses[m][0], losses[m][step]);
    cells[1].textContent = errors ? change(errors[m].first, errors[m].now) : known ? "hidden" : "–";
  });
}

// --- under a reader's hands --------------------------------------------------------------------------------

// Brings PLANE, presetButtons and errorTable in `root` to life. touched(): what happens before a reader's points do.
// Returns the canvas, and show(starts, rates), which adapts each method's layers and draws; it gives the losses on the five
// points at every step, the errors { first, now } on the whole wave where that is shown, and whether a wave is known.
export function fivePoints(root, model, touched) {
  const data = model.get("data"), $ = (selector) => root.querySelector(selector), canvas = $(".mlc-plane .mlc-canvas"), clip = unique();
  const on = plane(canvas, "Five points, and the curves that adapt to them");
  const round = (value) => Math.round(value * 100) / 100;
  const move = (i, x, y) => set(model, { points: model.get("points").map((point, k) => (k === i ? [round(x), round(y)] : point)) });
  const begin = ({ points, wave }) => set(model, { points, wave }); // the step and the tick stay, to compare
  const onClick = (kind, act) => $(kind).addEventListener("click", () => { touched(); act(); });
  let asked = [], paths = {}, drawn = 0;

  onClick(".mlc-new", () => begin(drawWave(data.family, data.window.x, (drawn += 1))));
  data.presets.forEach((one, i) => onClick(`.mlc-preset-${i}`, () => begin(one)));
  on.svg.addEventListener("click", (event) => { // not on a point: the nearest one goes there
    if (event.target.closest(".mlc-handle")) return;
    const p = on.plot(), [x, y] = on.at(event), away = ([u, v]) => Math.hypot(p.x(u) - p.x(x), p.y(v) - p.y(y));
    const all = model.get("points").map(away);
    move(all.indexOf(Math.min(...all)), x, y);
  });
  $(".mlc-reveal").addEventListener("change", (event) => set(model, { revealed: event.target.checked }));
  const handles = model.get("points").map((_, i) => handle(on, {
    label: `Point ${i + 1} of 5`, kind: "support", shape: '<circle class="dot" r="7"/>',
    at: () => model.get("points")[i], to: (x, y) => move(i, x, y),
  }));

  const adapt = (starts, rates, x, y) => { // all steps of all methods, when a start, a point or a rate has changed
    const question = [starts, JSON.stringify([x, y, rates])];
    if (question.every((part, k) => part === asked[k])) return;
    asked = question;
    paths = mapped(data.names, (m) => {
      const path = descend(starts[m], x, y, rates[m], data.steps);
      return { path, losses: path.map((layers) => squaredError(predict(layers, x), y)) };
    });
  };

  const show = (starts, rates) => {
    const points = model.get("points"), step = model.get("step"), known = Boolean(onTheWave(model.get("wave"), points, data.near));
    adapt(starts, rates, points.map((point) => point[0]), points.map((point) => point[1]));
    const truth = known && model.get("revealed") ? sine(model.get("wave")) : null, true201 = truth && GRID.map(truth);
    const curves = (k) => mapped(data.names, (m) => [...predict(paths[m].path[k], GRID)]), before = curves(0), now = curves(step);
    const error = (m) => ({ first: squaredError(before[m], true201), now: squaredError(now[m], true201) });
    const errors = truth && mapped(data.names, error), losses = mapped(data.names, (m) => paths[m].losses);

    Object.assign($(".mlc-reveal"), { checked: Boolean(truth), disabled: !known });
    $(".mlc-reveal + span").textContent = known ? "show the wave behind them" : "they lie on no known wave";
    fillTable(root, data, { losses, errors, step, known });
    const width = widthOf(canvas), p = plot(width, Math.round(between(290, width * 0.66, 400)), data.window.x, data.window.y, MARGINS);
    on.draw(p, drawScene(p, data, before, now, truth, clip));
    handles.forEach((one) => one.show());
    return { losses, errors, known };
  };

  return { canvas, show };
}
