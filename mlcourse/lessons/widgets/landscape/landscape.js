// The landscape playground's view: θ and the tasks' minima to drag, the arrows of five methods and where they come to rest.
// One mount(el, model) for JupyterLab (anywidget's model) and for a page without a kernel (a plain object).

import { SUBSCRIPTS, arrowInPixels, between, fixed, frame, grid, line, plot, star } from "../plot.js";
import { button, choice, handle, listen, onWidth, plane, player, set, slide, turnOff, unique, widget, widthOf } from "../controls.js";
import { fill } from "../words.js";
import { SINGULAR, axes, direction, holdOf, meanLoss, overshoot, pathOf, pull, restOf, taskOf } from "./quadratics.js";

const SETTLED = 1e-6; // nearer than this, two places are one
const OUTER_SHARE = 0.3; // of the way to rest that one outer step goes along the method's strongest direction
const NEAR = 0.02, STILL = 0.0005; // in units of a weight: about a pixel, and a step too short to be seen
const PAUSE = 50, QUIET = 400; // milliseconds between two outer steps, and before the caption speaks
const LETTERS = { maml: "M", "first-order": "F", reptile: "R", joint: "J", implicit: "I" };

// Two decimals; nothing that would not fit in the table.
function number(value) {
  if (Math.abs(value) > 999) return value > 0 ? "> 999" : "< −999";
  return fixed(value);
}
// Three digits, where the caption has room for more.
const short = (value) => (Math.abs(value) < 9.995 || Math.abs(value) > 999 ? number(value) : fixed(value, Math.abs(value) < 99.95 ? 1 : 0));
const length = ([x, y]) => Math.hypot(x, y);
const apart = ([x, y], [u, v]) => Math.hypot(x - u, y - v);

// Degrees between two arrows, or null if one of them is zero.
function angle(one, other) {
  if (length(one) < SETTLED || length(other) < SETTLED) return null;
  const across = one[0] * other[1] - one[1] * other[0], along = one[0] * other[0] + one[1] * other[1];
  return Math.abs((Math.atan2(across, along) * 180) / Math.PI);
}

// What the model holds, and all that follows from it.
function look(model) {
  const [preset, theta, method, inner_lr, inner_steps, lam] = ["preset", "theta", "method", "inner_lr", "inner_steps", "lam"].map((key) => model.get(key));
  const { presets, window } = model.get("data"), how = { inner_lr, inner_steps, lam }, methods = {};
  const tasks = model.get("minima").map((minimum, i) => taskOf(presets[preset].inputs[i], minimum));
  for (const key of Object.keys(LETTERS)) {
    const one = pull(key, tasks, how), [strong, weak] = axes(one.matrix);
    methods[key] = { ...one, direction: direction(one, theta), rest: restOf(one), hold: holdOf(one),
      metaLr: OUTER_SHARE / Math.max(Math.abs(strong.c), Math.abs(weak.c)) };
  }
  const paths = tasks.map((task) => pathOf(task, theta, how, method));
  return { preset, theta, method, how, tasks, methods, paths, window, overshoot: overshoot(tasks, how) };
}

const isIn = (window, place) => place.every((weight) => weight >= window[0] && weight <= window[1]);

// Where the method that is followed comes to rest, if that is elsewhere and within the plane; else null.
function restAhead({ theta, method, methods, window }) {
  const { rest } = methods[method];
  return rest && isIn(window, rest) && apart(rest, theta) > SETTLED ? rest : null;
}

// Where its next outer step leads, or null if there is none within the plane, or none that could be seen.
function nextStep(view) {
  const { theta, method, methods, window } = view, { direction: along, metaLr, rest } = methods[method];
  if (rest && apart(rest, theta) < NEAR) return restAhead(view);
  const place = theta.map((weight, i) => weight + metaLr * along[i]);
  return isIn(window, place) && apart(place, theta) > STILL ? place : null;
}

// --- words -------------------------------------------------------------------------------------------------

// Where θ stands and what follows; `caption` of landscape.py says the same.
function sentence(data, { theta, tasks, how, method, methods, overshoot }) {
  const say = (key, ...figures) => fill(data.sentences[key], figures.map((one) => (typeof one === "string" ? one : number(one))));
  const after = (place) => meanLoss(tasks, how, place, "maml"), { rest } = methods[method];
  const steps = how.inner_steps === 1 ? "one inner step" : `${how.inner_steps} inner steps`;
  const said = [say("place", ...theta, meanLoss(tasks, how, theta), steps, after(theta))];
  if (overshoot > 2) return [...said, say("diverges", overshoot)].join(" ");
  if (rest && apart(rest, theta) < SETTLED) said.push(say("rests", data.names[method]));
  if (overshoot > 1) said.push(say("jumps", overshoot));
  const named = (yes) => Object.keys(methods).filter((key) => yes(methods[key].hold)).map((key) => data.names[key]).join(", ");
  const away = named((hold) => hold < -SINGULAR), along = named((hold) => Math.abs(hold) <= SINGULAR);
  if (away) said.push(say("away", away));
  if (along) said.push(say("line", along));
  if (!away && !along) {
    const parted = Object.values(methods).some((one) => apart(one.rest, methods.maml.rest) > SETTLED);
    said.push(parted ? say("apart", ...["maml", "first-order", "joint"].map((key) => after(methods[key].rest))) : say("same"));
  }
  return said.join(" ");
}

// Why there is nowhere to go to, and why no step is taken.
function whyNoRest({ theta, method, methods }, name) {
  const { rest, hold } = methods[method];
  if (rest) return apart(rest, theta) < SETTLED ? `${name} rests here.` : `${name} comes to rest outside this plane.`;
  return hold < -SINGULAR ? `${name} comes to rest nowhere: it walks away.` : `${name} has a line of places to rest, not one.`;
}

function whyNoStep(view, name) {
  const { rest } = view.methods[view.method];
  return rest && apart(rest, view.theta) < NEAR ? `${name} rests here.` : `${name}’s next step would leave this plane, or be too short to be seen.`;
}

// --- the plane ---------------------------------------------------------------------------------------------

// Names that hide neither each other nor, if there is room, a dot or an arrow, that stay within the frame, and that do
// not stand so close to the ring of another that they seem to be its name.
function labeller(p) {
  const pen = document.createElement("canvas").getContext("2d"), things = [], names = [], rings = [];
  const shared = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const cost = (box) => names.reduce((sum, one) => sum + 50 * shared(box, one), things.reduce((sum, one) => sum + shared(box, one), 0));
  return {
    free: (x, y, w, h) => cost([x - w, y - h, x + w, y + h]) === 0 && names.push([x - w, y - h, x + w, y + h]),
    ring: (x, y) => rings.push([x, y]),
    avoid: (x, y, r) => things.push([x - r, y - r, x + r, y + r]),
    // Beside (x, y), rather towards that angle (0: right, a quarter turn: down); with a thin line to it from further off.
    put(x, y, text, kind, towards = 0, size = 13) {
      pen.font = `700 ${size}px system-ui, sans-serif`;
      const w = pen.measureText(text).width / 2 + 3, h = size / 2 + 2;
      let best = null;
      for (const far of [7, 14, 24, 36, 50, 66, 84]) {
        for (const turn of [0, 0.5, -0.5, 1, -1, 1.6, -1.6, 2.3, -2.3, Math.PI]) {
          const cos = Math.cos(towards + turn), sin = Math.sin(towards + turn);
          const cx = between(p.left + w + 1, x + cos * (far + w), p.left + p.w - w - 1);
          const cy = between(p.top + h + 1, y + sin * (far + h), p.top + p.h - h - 1);
          const box = [cx - w, cy - h, cx + w, cy + h], gap = ([u, v]) => Math.hypot(u - between(box[0], u, box[2]), v - between(box[1], v, box[3]));
          const beside = rings.filter((ring) => gap(ring) < 18 && Math.hypot(ring[0] - x, ring[1] - y) > 1).length;
          const price = cost(box) + beside * 60 + far * 2 + Math.abs(turn) * 8;
          if (!best || price < best.price) best = { cx, cy, box, price };
        }
      }
      names.push(best.box);
      const [u, v] = [between(best.box[0], x, best.box[2]), between(best.box[1], y, best.box[3])];
      const far = !kind.startsWith("name") && Math.hypot(u - x, v - y) > 12 ? `<line class="leader" x1="${x}" y1="${y}" x2="${u}" y2="${v}"/>` : "";
      return `${far}<text class="${kind}" x="${best.cx.toFixed(1)}" y="${(best.cy + size * 0.35).toFixed(1)}" text-anchor="middle"
        style="font-size:${size}px">${text}</text>`;
    },
  };
}

// The places where (w − centre)ᵀ matrix (w − centre) / 2 is `rise`.
function ellipse(p, matrix, centre, rise, kind) {
  const scale = p.w / (p.xs[1] - p.xs[0]), [strong, weak] = axes(matrix);
  const [short, long] = [strong, weak].map(({ c }) => Math.min(1e4, scale * Math.sqrt((2 * rise) / Math.max(c, 1e-12))));
  const turn = (-Math.atan2(strong.u[1], strong.u[0]) * 180) / Math.PI;
  return `<ellipse class="${kind}" rx="${short.toFixed(2)}" ry="${long.toFixed(2)}"
    transform="translate(${p.x(centre[0]).toFixed(2)} ${p.y(centre[1]).toFixed(2)}) rotate(${turn.toFixed(2)})"/>`;
}

// Heights 1, 2, 5, 10, ... of the mean loss whose lines are neither too small nor too large to be seen.
function contours(p, { tasks, how, methods }, which) {
  const { matrix, rest } = methods[which];
  if (!rest) return [];
  const floor = meanLoss(tasks, how, rest, which), [strong, weak] = axes(matrix), scale = p.w / (p.xs[1] - p.xs[0]);
  const nice = Array.from({ length: 27 }, (_, i) => Number(`${[1, 2, 5][i % 3]}e${Math.floor(i / 3) - 3}`));
  const radius = (level, { c }) => scale * Math.sqrt((2 * (level - floor)) / c);
  return nice.filter((level) => level > floor && radius(level, strong) > 14 && radius(level, strong) < p.w)
    .map((level) => ({ level, rise: level - floor, matrix, rest }));
}

// A contour's number, at the first of some places on it that is free.
function height(p, labels, { level, rise, matrix, rest }) {
  const [strong, weak] = axes(matrix), reach = [strong, weak].map(({ c }) => Math.sqrt((2 * rise) / c));
  for (let i = 0; i < 24; i += 1) {
    const turn = (i * Math.PI) / 12 + 0.4, along = [reach[0] * Math.cos(turn), reach[1] * Math.sin(turn)];
    const [x, y] = [0, 1].map((k) => rest[k] + along[0] * strong.u[k] + along[1] * weak.u[k]);
    const [left, top] = [p.x(x), p.y(y)];
    if (left < p.left + 20 || left > p.left + p.w - 20 || top < p.top + 12 || top > p.top + p.h - 12) continue;
    if (labels.free(left, top, 14, 7)) return `<text class="height" x="${left}" y="${top + 4}" text-anchor="middle">${level}</text>`;
  }
  return "";
}

// Each method's arrow from θ in pixels [x1, y1, x2, y2], and by how much true lengths are multiplied.
function arrows(p, { theta, methods }, shown, alike) {
  const scale = p.w / (p.xs[1] - p.xs[0]), keys = shown.filter((key) => length(methods[key].direction) > SETTLED);
  const longest = Math.max(SETTLED, ...keys.map((key) => length(methods[key].direction)));
  const factor = Number(((p.w * 0.36) / scale / longest).toPrecision(2)), from = [p.x(theta[0]), p.y(theta[1])];
  const drawn = keys.map((key) => {
    const [x, y] = methods[key].direction, far = alike ? Math.max(70, p.w * 0.2) / Math.hypot(x, y) : factor * scale;
    return [key, ...from, from[0] + far * x, from[1] - far * y];
  });
  return { drawn, factor };
}

function drawScene(data, p, view, { shown, alike, which, trail }) {
  const { tasks, theta, paths, method, methods } = view, clip = unique(), labels = labeller(p), names = [];
  const { drawn, factor } = arrows(p, view, shown, alike), bands = contours(p, view, which), at = (place) => [p.x(place[0]), p.y(place[1])];
  const rests = grouped(p, shown.filter((key) => methods[key].rest && isIn(p.xs, methods[key].rest)), methods);

  labels.avoid(...at(theta), 11);
  tasks.forEach((task) => labels.avoid(...at(task.minimum), 12));
  rests.forEach(({ x, y }) => {
    labels.avoid(x, y, 6);
    labels.ring(x, y);
  });
  paths.forEach((path) => path.slice(1).forEach((place) => labels.avoid(...at(place), 5)));
  drawn.forEach(([, x1, y1, x2, y2]) => {
    const far = Math.hypot(x2 - x1, y2 - y1);
    for (let i = 10; i < far; i += 10) labels.avoid(x1 + ((x2 - x1) * i) / far, y1 + ((y2 - y1) * i) / far, 5);
  });
  tasks.forEach((task, i) => names.push(labels.put(...at(task.minimum), i + 1, `name task${i + 1}`, 0, 15)));
  drawn.forEach(([key, x1, y1, x2, y2]) => names.push(labels.put(x2, y2, data.short[key], `tag${key === method ? " chosen" : ""}`,
    Math.atan2(y2 - y1, x2 - x1))));
  rests.forEach(({ x, y, letters }) => names.push(labels.put(x, y, letters, "tag", -1)));
  names.push(labels.put(...at(theta), "θ", "name", 2.4, 15));
  paths.forEach((path, i) => { if (isIn(p.xs, path.at(-1))) names.push(labels.put(...at(path.at(-1)), `φ${SUBSCRIPTS[i + 1]}`, `tag task${i + 1}`)); });
  const heights = bands.map((band) => height(p, labels, band));

  const html = [
    `<clipPath id="${clip}"><rect x="${p.left}" y="${p.top}" width="${p.w}" height="${p.h}"/></clipPath>`,
    grid(p, [-2, 0, 2], [-2, 0, 2], "weight w₁", "weight w₂"),
    `<g clip-path="url(#${clip})">`,
    ...bands.map((band) => ellipse(p, band.matrix, band.rest, band.rise, "band")).reverse(),
    ...tasks.flatMap((task, i) => data.levels.map((level) => ellipse(p, task.curvature, task.minimum, level, `own task${i + 1}`))),
    heights.join(""),
    trail.length > 1 ? line(p, trail, "trail") : "",
    ...trail.slice(0, -1).map((place) => `<circle class="was" cx="${p.x(place[0])}" cy="${p.y(place[1])}" r="2"/>`),
    ...paths.map((path, i) => line(p, path, `way task${i + 1}`)),
    ...paths.flatMap((path, i) => path.slice(1).map((place, k) =>
      `<circle class="copy-dot task${i + 1}" cx="${p.x(place[0])}" cy="${p.y(place[1])}" r="${k === path.length - 2 ? 4.5 : 2.5}"/>`)),
    ...drawn.map(([key, ...ends]) => arrowInPixels(...ends, `pull${key === method ? " chosen" : ""}`)),
    ...rests.map(({ x, y }) => `<circle class="rest" cx="${x}" cy="${y}" r="5"/>`),
    `</g>${names.join("")}${frame(p)}`,
  ];
  return { html: html.join(""), factor };
}

// Places of rest in pixels, each with the letters of the methods that rest there.
function grouped(p, keys, methods) {
  const groups = [];
  for (const key of keys) {
    const [x, y] = [p.x(methods[key].rest[0]), p.y(methods[key].rest[1])];
    const same = groups.find((group) => Math.hypot(group.x - x, group.y - y) < 4);
    if (same) same.letters += ` ${LETTERS[key]}`;
    else groups.push({ x, y, letters: LETTERS[key] });
  }
  return groups;
}

// --- the page around it ------------------------------------------------------------------------------------

function page(data, preset) {
  const methods = Object.entries(data.names), { inner_steps: steps, inner_lr: rates } = data.limits, [low, high] = data.levels;
  const options = methods.map(([key, title]) => `<option value="${key}">${title}</option>`);
  const row = ([key, title]) => `<tr data-method="${key}"><th scope="row"><label><input type="checkbox" checked> <span>${title.replace("-", "‑")}&nbsp;<b>${
    LETTERS[key]}</b></span></label></th><td></td><td></td><td></td></tr>`;
  const sign = (shape, text) => `<span><svg width="26" height="16" aria-hidden="true">${shape}</svg><span>${text}</span></span>`;
  const dot = (kind, r, x = 13) => `<circle class="${kind}" cx="${x}" cy="8" r="${r}"/>`;
  return `<div class="mlc-tasks"><span>Tasks</span>${choice("presets", "Tasks",
    Object.entries(data.presets).map(([key, { title }]) => [key, title]), preset)}</div>
    <div class="mlc-slides">${slide("inner-lr", "Inner learning rate", { min: rates[0], max: rates[1], step: 0.005 })}
    ${slide("inner-steps", "Inner steps", { min: steps[0], max: steps[1], step: 1 })}
    ${slide("lam", "Lambda of implicit MAML", { min: -1, max: 2, step: 0.1 })}</div>
    <div class="mlc-sides"><figure class="mlc-weights"><figcaption><b>Parameter space</b><span class="mlc-of">grey: mean loss
    ${choice("contours", "Contours of the mean loss", [["joint", "at θ"], ["maml", "after adapting"]], "joint")}</span></figcaption>
    <div class="mlc-canvas"></div><p class="mlc-legend">${sign(star(13, 8, 7, ""), "a task’s true weights")}${
    sign(dot("own", 3) + dot("own", 6.5), `its own loss ${low} and ${high}`)}${
    sign(`<line class="way" x1="2" x2="20" y1="8" y2="8"/>${dot("copy-dot", 4, 20)}`, "inner steps to φ<sub>i</sub>")}${
    sign(dot("rest", 5), "where a method rests")}</p></figure>
    <div class="mlc-beside-it"><p class="mlc-caption" aria-live="polite"></p>
    <div class="mlc-controls"><label class="mlc-following">Follow <select class="mlc-method">${options.join("")}</select></label>
    ${button("outer mlc-main", "Outer step")}${button("play", "Play")}${button("there", "Go there")}${button("restart", "Restart")}</div>
    <table class="mlc-figures"><thead><tr><th scope="col">Arrow shown</th><th scope="col">direction</th><th scope="col">angle to MAML’s</th>
    <th scope="col">loss at rest</th></tr></thead><tbody>${methods.map(row).join("")}</tbody></table>
    <div class="mlc-tasks"><span>Arrows</span>${choice("lengths", "Lengths of the arrows", [["alike", "of one length"],
    ["true", "of true length"]], "alike")}<span class="mlc-factor"></span></div></div></div>
    <p class="mlc-note">The model is f(x) = w₁x₁ + w₂x₂, so this plane is all there is and every loss an exact bowl. Drag θ and the stars, or move
    them with the arrow keys. Direction: minus the gradient; Reptile’s: the mean of φᵢ − θ. Loss at rest: after adapting from where the method
    rests. <span class="mlc-rate"></span></p>`;
}

// The figures of each method: its direction, its angle to MAML's, the loss after adapting from where it rests.
function fillTable(root, { tasks, how, method, methods }) {
  root.querySelectorAll("tbody tr").forEach((row) => {
    const one = methods[row.dataset.method], off = angle(one.direction, methods.maml.direction), cells = row.querySelectorAll("td");
    cells[0].textContent = `(${one.direction.map(short).join(", ")})`;
    cells[1].textContent = off === null ? "–" : `${off.toFixed(0)}°`;
    cells[2].textContent = one.rest ? short(meanLoss(tasks, how, one.rest, "maml")) : one.hold < -SINGULAR ? "walks away" : "a line";
    row.classList.toggle("mlc-at", row.dataset.method === method);
  });
}

function fillControls(root, data, view) {
  const $ = (selector) => root.querySelector(selector);
  const { preset, method, methods, how: { inner_lr, inner_steps, lam } } = view;
  const put = (kind, value, text) => {
    $(`.mlc-${kind} .mlc-where`).textContent = text;
    $(`.mlc-${kind} input`).value = value;
    $(`.mlc-${kind} input`).setAttribute("aria-valuetext", text);
  };
  put("inner-lr", inner_lr, `inner_lr α = ${inner_lr}`);
  put("inner-steps", inner_steps, `inner_steps k = ${inner_steps}`);
  put("lam", Math.log10(lam), `implicit MAML’s λ = ${lam}`);
  $(`.mlc-presets [value="${preset}"]`).checked = true;
  $(".mlc-method").value = method;
  turnOff(root, { outer: !nextStep(view), there: !restAhead(view) });
  $(".mlc-rate").textContent = `An outer step moves θ by meta_lr times the direction; for ${data.names[method]} meta_lr is ${
    methods[method].metaLr.toPrecision(2)} here.`;
}

// θ and a star for each task, which stay while they are dragged. change(values) is told where they go.
function putHandles(on, model, change) {
  const stars = model.get("minima").map((_, i) => handle(on, {
    label: `Minimum of task ${i + 1}`, kind: "minimum", shape: star(0, 0, 10, `task${i + 1}`), at: () => model.get("minima")[i],
    to: (x, y) => change({ minima: model.get("minima").map((place, k) => (k === i ? [x, y] : place)) }),
  }));
  return [...stars, handle(on, { label: "θ", kind: "theta-handle", shape: '<circle class="now" r="7"/>', at: () => model.get("theta"),
    to: (x, y) => change({ theta: [x, y] }) })];
}

// What a reader can press and choose. seen() gives the view, walk(place) takes a step, change(values) ends Play and
// sets the state, say(text) speaks at once.
function bind(root, { data, seen, walk, change, say, draw }) {
  const preset = (key) => ({ preset: key, minima: data.presets[key].minima, theta: data.presets[key].theta });
  const onClick = (kind, act) => root.querySelector(kind).addEventListener("click", () => act(seen(), data.names[seen().method]));
  onClick(".mlc-outer", (view, name) => (nextStep(view) ? walk(nextStep(view)) : say(whyNoStep(view, name))));
  onClick(".mlc-there", (view, name) => (restAhead(view) ? walk(restAhead(view)) : say(whyNoRest(view, name))));
  onClick(".mlc-restart", (view) => change({ ...preset(view.preset), ...data.begin }));
  const hear = (kind, values) => root.querySelectorAll(kind).forEach((one) => one.addEventListener("input", () => change(values(one.value))));
  hear(".mlc-presets input", preset);
  hear(".mlc-inner-lr input", (value) => ({ inner_lr: Number(value) }));
  hear(".mlc-inner-steps input", (value) => ({ inner_steps: Number(value) }));
  hear(".mlc-lam input", (value) => ({ lam: Number((10 ** value).toPrecision(2)) }));
  hear(".mlc-method", (value) => ({ method: value }));
  root.querySelectorAll(".mlc-figures input, .mlc-contours input, .mlc-lengths input").forEach((one) => one.addEventListener("input", draw));
}

export function mount(el, model) {
  const data = model.get("data"), root = widget(el, "landscape", "Landscape playground: drag θ and the tasks’ minima", page(data, model.get("preset")));
  const $ = (selector) => root.querySelector(selector), caption = $(".mlc-caption"), canvas = $(".mlc-canvas");
  const on = plane(canvas, "Parameter space: θ, the tasks’ minima and the methods’ arrows");
  let view = null, trail = [], handles = [], waiting = null;

  const draw = () => {
    if (!view) return;
    const width = widthOf(canvas), p = plot(width, width, data.window, data.window, [34, 10, 8, 36]);
    const shown = [...root.querySelectorAll(".mlc-figures tr:has(:checked)")].map((row) => row.dataset.method);
    const alike = $(".mlc-lengths :checked").value === "alike", which = $(".mlc-contours :checked").value;
    const { html, factor } = drawScene(data, p, view, { shown, alike, which, trail });
    on.draw(p, html);
    handles.forEach((one) => one.show());
    $(".mlc-factor").textContent = alike ? "" : `drawn ${factor} times as long as they are`;
  };
  const say = (text) => {
    clearTimeout(waiting);
    caption.textContent = text;
  };
  const show = () => {
    if (model.get("minima").length !== data.presets[model.get("preset")].inputs.length) return; // the kernel sends another preset, trait by trait
    view = look(model);
    if (handles.length !== view.tasks.length + 1) {
      handles.forEach((one) => one.remove());
      handles = putHandles(on, model, change);
    }
    if (!trail.length || apart(trail.at(-1), view.theta) > 0) trail = [view.theta];
    Object.assign(root.dataset, { preset: view.preset, method: view.method, theta: JSON.stringify(view.theta) });
    draw();
    fillTable(root, view);
    fillControls(root, data, view);
    clearTimeout(waiting); // a screen reader hears where things came to a stop, not every pixel of a drag
    waiting = setTimeout(() => say(sentence(data, view)), QUIET);
  };

  const walk = (place) => {
    trail.push(place);
    set(model, { theta: place });
  };
  const stop = player($(".mlc-play"), caption, {
    next: () => walk(nextStep(view)),
    done: () => !nextStep(view),
    start: () => set(model, { theta: trail[0] }),
    pause: () => PAUSE,
  });
  const change = (values) => {
    stop();
    set(model, values);
  };
  bind(root, {
    data, change, draw,
    seen: () => view,
    walk: (place) => { stop(); walk(place); },
    say: (text) => { stop(); say(text); },
  });

  const ended = [listen(model, ["preset", "minima", "theta", "inner_lr", "inner_steps", "lam", "method"], show), onWidth(canvas, draw), stop,
    () => clearTimeout(waiting)];
  show();
  say(sentence(data, view));
  return () => ended.forEach((end) => end());
}

export default { render({ model, el }) { return mount(el, model); } };
