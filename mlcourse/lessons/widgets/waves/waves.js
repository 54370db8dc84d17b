// Your own sinusoid: five points to drag, and networks that adapt to them in the browser, step by step.
// `waves.py` gives the starting places and the words; `mlp.js` does the arithmetic; the same sums are checked in Python.

import { between, curve, fixed, frame, grid, line, plot } from "../plot.js";
import { button, handle, listen, onWidth, plane, player, set, slide, turnOff, unique, widget, widthOf } from "../controls.js";
import { descend, predict, readLayers, squaredError } from "./mlp.js";
import { fill, listed } from "../words.js";

const GRID = Array.from({ length: 201 }, (_, i) => -5 + i / 20); // where curves are drawn and judged
const MARGINS = [40, 66, 10, 38]; // the names of the curves stand at the right
const LINE_OF_TEXT = 15; // pixels

const sine = ([amplitude, phase]) => (x) => amplitude * Math.sin(x - phase);
const onTheWave = (wave, points, near) => wave.length && points.every(([x, y]) => Math.abs(sine(wave)(x) - y) < near);

// A wave of the family and five places on it. Equal seeds give equal waves: mulberry32, a generator of 32 bits.
function drawWave({ amplitude, phase }, [low, high], seed) {
  let state = seed;
  const uniform = (from, to) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return from + ((to - from) * ((bits ^ (bits >>> 14)) >>> 0)) / 2 ** 32;
  };
  const wave = [uniform(...amplitude), uniform(...phase)], xs = Array.from({ length: 5 }, () => uniform(low, high));
  return { wave, points: xs.sort((a, b) => a - b).map((x) => [x, sine(wave)(x)]) };
}

// --- in words, as waves.py has them -------------------------------------------------------------------------

const amount = (value, large) => (value < large ? fixed(value) : `over ${large.toLocaleString("en")}`);

function words(data, step, losses, errors, known) {
  const say = data.sentences, methods = Object.keys(data.names), show = (value) => amount(value, data.large);
  const levels = (values) => listed(methods.map((m) => fill(say.level, [show(values[m]), data.names[m]])));
  const some = (test) => methods.filter((m) => test(losses[m][step], losses[m][step - 1])).map((m) => data.names[m]);
  const said = [];
  if (step === 0) {
    said.push(fill(say.start, [levels(Object.fromEntries(methods.map((m) => [m, losses[m][0]])))]));
  } else {
    const changes = methods.map((m) => fill(say.change, [show(losses[m][step - 1]), show(losses[m][step]), data.names[m]]));
    const rose = some((now, before) => before < now && now < data.large), gone = some((now) => !(now < data.large));
    said.push(fill(say.step, [step, data.steps, listed(changes)]));
    if (rose.length) said.push(fill(say.rose, [listed(rose)]));
    if (gone.length) said.push(fill(say.gone, [listed(gone)]));
  }
  if (!known) said.push(say["no wave"], ...(losses.maml?.[step] < data.large ? [say.prior] : []));
  else if (errors) said.push(fill(say.truth, [levels(errors)]));
  return said.join(" ");
}

// --- the plane ---------------------------------------------------------------------------------------------

// A network's curve; what has run away leaves the picture through its edge, what is no number at all is not drawn.
function network(p, values, kind) {
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
    ...methods.map((m) => network(p, before[m], `before ${m}`)),
    ...methods.map((m) => network(p, now[m], `after ${m}`)),
    "</g>", ends(p, names),
  ].join("");
}

// --- the page around it ------------------------------------------------------------------------------------

function table(data) {
  const row = ([m, name]) => `<tr data-row="${m}"><th scope="row"><div><svg width="28" height="12" aria-hidden="true"><line class="after ${m}"
    x1="3" x2="25" y1="6" y2="6"/></svg><span>${name}<small>${data.about[m]}</small></span></div></th><td></td><td></td></tr>`;
  return `<table class="mlc-table"><caption>Mean squared error, before any step → now</caption><thead><tr><td></td><th scope="col">five
    points</th><th scope="col">whole wave</th></tr></thead><tbody>${Object.entries(data.names).map(row).join("")}</tbody></table>`;
}

function rates(data) {
  const option = (m) => (rate) => `<option value="${rate}">${rate}${rate === data.tuned[m] ? " ✓" : ""}</option>`;
  return Object.entries(data.names).map(([m, name]) => `<label>${name} <select class="mlc-rate" data-method="${m}"
    aria-label="Learning rate of ${name}">${data.rates.map(option(m)).join("")}</select></label>`).join("");
}

function page(data) {
  const note = `✓ marks the rate that did best after ten steps on other waves${data.names.maml ? "; for MAML, the one that it was trained with" : ""}.`;
  const [first, ...others] = data.presets.map((one, i) => button(`preset-${i}`, one.name));
  return `<div class="mlc-starts"><span>Five points from:</span>${[first, button("new", "A new wave"), ...others].join("")}</div>
    <div class="mlc-panels"><figure class="mlc-panel mlc-plane"><figcaption><b>Drag the points, or click in the plane</b>
    <span class="mlc-of"><label><input type="checkbox" class="mlc-reveal"><span></span></label></span></figcaption><div class="mlc-canvas"></div></figure>
    <div class="mlc-side">${table(data)}</div></div>
    <p class="mlc-legend">Thin lines: before any step. Thick lines: now.</p>
    <div class="mlc-controls">${button("step mlc-main", "Step")}${button("back", "Back")}${button("restart", "Restart")}
    ${button("play", "Play")}${slide("steps", "Gradient steps", { min: 0, max: data.steps, step: 1 })}</div>
    <p class="mlc-caption" aria-live="polite"></p>
    <div class="mlc-more"><span>Learning rate:</span>${rates(data)}</div><p class="mlc-note">${note}</p>`;
}

// The table: each method's error on the five points, and on the whole wave where that is shown.
function fillTable(root, data, { methods, losses, step, known, whole }) {
  const cell = (value) => (value < data.large ? fixed(value) : `${data.large}+`), change = (from, to) => `${cell(from)} → ${cell(to)}`;
  methods.forEach((m) => {
    const cells = root.querySelectorAll(`[data-row="${m}"] td`);
    cells[0].textContent = change(losses[m][0], losses[m][step]);
    cells[1].textContent = whole ? change(whole.first[m], whole.last[m]) : known ? "hidden" : "–";
  });
}

function fillControls(root, data, { step, known, revealed, rates }) {
  const $ = (selector) => root.querySelector(selector);
  $(".mlc-slide input").value = step;
  $(".mlc-slide input").setAttribute("aria-valuetext", `step ${step} of ${data.steps}`);
  $(".mlc-where").textContent = `gradient step ${step} of ${data.steps}`;
  Object.assign($(".mlc-reveal"), { checked: revealed, disabled: !known });
  $(".mlc-reveal + span").textContent = known ? "show the wave behind them" : "they lie on no known wave";
  Object.entries(rates).forEach(([m, rate]) => { $(`[data-method="${m}"]`).value = rate; });
  turnOff(root, { step: step === data.steps, back: step === 0, restart: step === 0 });
}

// What a reader can press, choose and click. go(step) and move(point, x, y) change the state; stop() ends Play.
function bind(root, model, { data, on, go, move, stop }) {
  const $ = (selector) => root.querySelector(selector);
  const onClick = (kind, act) => $(kind).addEventListener("click", () => { stop(); act(model.get("step")); });
  const begin = ({ points, wave }) => set(model, { points, wave }); // the step and the tick stay, to compare
  let drawn = 0;
  onClick(".mlc-step", (step) => go(step + 1));
  onClick(".mlc-back", (step) => go(step - 1));
  onClick(".mlc-restart", () => go(0));
  onClick(".mlc-new", () => begin(drawWave(data.family, data.window.x, (drawn += 1))));
  data.presets.forEach((one, i) => onClick(`.mlc-preset-${i}`, () => begin(one)));
  on.svg.addEventListener("click", (event) => { // not on a point: the nearest one goes there
    if (event.target.closest(".mlc-handle")) return;
    const p = on.plot(), [x, y] = on.at(event), away = ([u, v]) => Math.hypot(p.x(u) - p.x(x), p.y(v) - p.y(y));
    const all = model.get("points").map(away);
    move(all.indexOf(Math.min(...all)), x, y);
  });
  $(".mlc-slide input").addEventListener("input", (event) => { stop(); go(Number(event.target.value)); });
  $(".mlc-reveal").addEventListener("change", (event) => set(model, { revealed: event.target.checked }));
  root.querySelectorAll(".mlc-rate").forEach((select) => select.addEventListener("change", () => {
    set(model, { rates: { ...model.get("rates"), [select.dataset.method]: Number(select.value) } });
  }));
}

export function mount(el, model) {
  const data = model.get("data"), methods = Object.keys(data.names), root = widget(el, "own", "Your own sinusoid", page(data));
  const $ = (selector) => root.querySelector(selector), caption = $(".mlc-caption"), canvas = $(".mlc-plane .mlc-canvas");
  const starts = Object.fromEntries(methods.map((m) => [m, readLayers(data.starts[m])])), clip = unique();
  const on = plane(canvas, "Five points, and the curves that adapt to them");
  let asked = "", paths = {}, losses = {};

  const adapt = () => { // all steps of all methods, when a point or a rate has changed
    const points = model.get("points"), chosen = model.get("rates"), question = JSON.stringify([points, chosen]);
    if (question === asked) return;
    asked = question;
    const x = points.map((point) => point[0]), y = points.map((point) => point[1]);
    methods.forEach((m) => {
      paths[m] = descend(starts[m], x, y, chosen[m], data.steps);
      losses[m] = paths[m].map((layers) => squaredError(predict(layers, x), y));
    });
  };
  const go = (step) => set(model, { step: between(0, step, data.steps) });
  const move = (i, x, y) => set(model, { points: model.get("points").map((point, k) => (k === i ? [round(x), round(y)] : point)) });
  const round = (value) => Math.round(value * 100) / 100;
  const handles = model.get("points").map((_, i) => handle(on, {
    label: `Point ${i + 1} of 5`, kind: "support", shape: '<circle class="dot" r="7"/>',
    at: () => model.get("points")[i], to: (x, y) => move(i, x, y),
  }));

  const show = () => {
    adapt();
    const points = model.get("points"), step = model.get("step"), known = onTheWave(model.get("wave"), points, data.near);
    const truth = known && model.get("revealed") ? sine(model.get("wave")) : null, true201 = truth && GRID.map(truth);
    const curves = (k) => Object.fromEntries(methods.map((m) => [m, [...predict(paths[m][k], GRID)]]));
    const before = curves(0), now = curves(step);
    const errors = (values) => Object.fromEntries(methods.map((m) => [m, squaredError(values[m], true201)]));
    const whole = truth && { first: errors(before), last: errors(now) };

    root.dataset.step = step;
    caption.textContent = words(data, step, losses, whole?.last, known);
    fillTable(root, data, { methods, losses, step, known, whole });
    fillControls(root, data, { step, known, revealed: Boolean(truth), rates: model.get("rates") });
    const width = widthOf(canvas), p = plot(width, Math.round(between(290, width * 0.66, 400)), data.window.x, data.window.y, MARGINS);
    on.draw(p, drawScene(p, data, before, now, truth, clip));
    handles.forEach((one) => one.show());
  };

  const stop = player($(".mlc-play"), caption, { next: () => go(model.get("step") + 1), done: () => model.get("step") >= data.steps, start: () => go(0) });
  bind(root, model, { data, on, go, move, stop });
  const ended = [listen(model, ["points", "wave", "revealed", "rates", "step"], show), onWidth(canvas, show), stop];
  show();
  return () => ended.forEach((end) => end());
}

export default { render({ model, el }) { return mount(el, model); } };
