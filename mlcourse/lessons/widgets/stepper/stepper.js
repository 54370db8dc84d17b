// The loop stepper's view: draws the frame that model.seed, model.method and model.index name; computes nothing but pixels.
// One mount(el, model) for JupyterLab (anywidget's model) and for a page without a kernel (a plain object).

import { SUBSCRIPTS, arrow, arrowInPixels, between, curve, fixed, frame, grid, line, name, plot, plotHeight, star, svgOpen } from "../plot.js";
import { button, choice, listen, onWidth, player, set, slide, turnOff, unique, widget, widthOf } from "../controls.js";
import { fill } from "../words.js";

const SPEEDS = [["1800", "slow"], ["900", "normal"], ["300", "fast"]]; // milliseconds from frame to frame
const xy = ([a, phase]) => [phase, a]; // parameter space has the phase across and the amplitude up
const sine = ([a, phase]) => (x) => a * Math.sin(x - phase);
const sentence = (data, [key, figures]) => fill(data.sentences[key], figures);

// --- function space ----------------------------------------------------------------------------------------

function drawFunctions(draw, method, run, outer, inner, width) {
  const p = plot(width, plotHeight(width), [-5, 5], [-5, 5]), copies = run.paths[outer].map((path) => path[inner]);
  const only = method === "joint" ? " only" : "";
  return [
    svgOpen(p, `The curve of θ${inner ? ", the adapted curves" : ""} and the tasks' support points`),
    grid(p, [-4, -2, 0, 2, 4], [-4, -2, 0, 2, 4], "x", "y"),
    ...draw.tasks.map((task, i) => curve(p, sine([task.a, task.p]), `truth task${i + 1}`)),
    curve(p, sine(run.theta[outer]), "theta"),
    ...(inner ? copies.map((place, i) => curve(p, sine(place), `copy task${i + 1}${only}`)) : []),
    ...draw.tasks.flatMap((task, i) =>
      task.x.map((x, k) => `<circle class="point task${i + 1}" cx="${p.x(x)}" cy="${p.y(task.y[k])}" r="5"/>`)),
    ...(draw.tasks.length > 1 ? draw.tasks.map((task, i) =>
      name(p.x(task.p + Math.PI / 2), p.y(task.a) - 7, i + 1, `task${i + 1}`)) : []),
    "</svg>",
  ].join("");
}

// --- parameter space ---------------------------------------------------------------------------------------

function surface(p, bands, labelled) {
  const regions = bands.map((band) => `<path class="band" d="${band.path}"/>`).reverse().join("");
  const at = (band) => [p.left + (band.label[0] * p.w) / 1000, p.top + (band.label[1] * p.h) / 1000];
  const texts = bands.filter((band) => labelled && band.label).map((band) => `<text class="height" text-anchor="middle"
    x="${at(band)[0]}" y="${at(band)[1] + 4}">${band.level}</text>`);
  return `<g transform="translate(${p.left} ${p.top}) scale(${p.w / 1000} ${p.h / 1000})">${regions}</g>${texts.join("")}`;
}

// Where a letter beside a dot is farthest from everything else: its centre, in pixels.
function freeSide(p, place, others, radius) {
  const taken = others.map((other) => [p.x(other[1]), p.y(other[0])]);
  const sides = Array.from({ length: 12 }, (_, i) => {
    const angle = (i * Math.PI) / 6, x = p.x(place[1]) + radius * Math.cos(angle), y = p.y(place[0]) + radius * Math.sin(angle);
    return { x, y, room: Math.min(...taken.map(([u, v]) => Math.hypot(u - x, v - y)), y < p.top + p.h - 10 ? 60 : 0) };
  });
  return sides.reduce((best, side) => (side.room > best.room + 0.5 ? side : best));
}

const onTheWay = (from, to) => [0.25, 0.5, 0.75, 1].map((t) => [from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1])]);

// The letter of an adapted copy, beyond the end of its last step.
function nameOfCopy(p, path, inner, i, many) {
  const [end, from] = [path[inner], path[inner - 1]], [dx, dy] = [p.x(end[1]) - p.x(from[1]), p.y(end[0]) - p.y(from[0])];
  const far = Math.hypot(dx, dy) || 1;
  const y = between(p.top + 14, p.y(end[0]) + (15 * dy) / far + 5, p.top + p.h - 6); // not cut off at the edge
  return name(p.x(end[1]) + (17 * dx) / far, y, `φ${many ? SUBSCRIPTS[i + 1] : ""}`, `task${i + 1}`);
}

function drawParameters(data, draw, method, run, outer, inner, width, which) {
  const p = plot(width, plotHeight(width), data.window.p, data.window.a), clip = unique(), theta = run.theta[outer];
  const many = draw.tasks.length > 1, only = method === "joint" ? " only" : "", paths = run.paths[outer];
  const before = outer && !inner && method !== "joint" ? run.paths[outer - 1] : [];
  const drawn = [...run.theta.slice(Math.max(0, outer - 4), outer), ...(outer ? onTheWay(theta, run.theta[outer - 1]) : []),
    ...paths.flatMap((path) => (inner ? [...onTheWay(theta, path[1]), ...path.slice(1, inner + 1)] : []))];
  const letter = freeSide(p, theta, drawn.length ? drawn : [[9, 9]], 16);
  return [
    svgOpen(p, `Loss contours, the path of θ${inner ? " and the inner steps" : ""}`),
    `<clipPath id="${clip}"><rect x="${p.left}" y="${p.top}" width="${p.w}" height="${p.h}"/></clipPath>`,
    grid(p, [0, 1, 2, 3], [0, 1, 2, 3, 4], "phase p (radians)", "amplitude a (units of y)"),
    `<g clip-path="url(#${clip})">`,
    surface(p, draw.surfaces[which], true),
    ...draw.tasks.map((task, i) => star(p.x(task.p), p.y(task.a), 9, `task${i + 1}`)),
    ...(many ? draw.tasks.map((task, i) => name(p.x(task.p) + 16, p.y(task.a) + 5, i + 1, `task${i + 1}`)) : []),
    line(p, run.theta.slice(0, outer + 1).map(xy), "trail"),
    ...run.theta.slice(0, outer).map(([a, phase]) => `<circle class="was" cx="${p.x(phase)}" cy="${p.y(a)}" r="2.5"/>`),
    ...before.map((path, i) => line(p, path.map(xy), `ghost task${i + 1}`)),
    ...paths.flatMap((path, i) => Array.from({ length: inner }, (_, k) =>
      arrow(p, xy(path[k]), xy(path[k + 1]), `step task${i + 1}${only}`))),
    outer && !inner ? arrow(p, xy(run.theta[outer - 1]), xy(theta), "outer", 6) : "",
    `<circle class="now" cx="${p.x(theta[1])}" cy="${p.y(theta[0])}" r="5.5"/>`,
    ...(inner === data.inner ? paths.map((path, i) => nameOfCopy(p, path, inner, i, many)) : []),
    name(letter.x, letter.y + 5, "θ", "now"),
    `</g>${frame(p)}</svg>`,
  ].join("");
}

function drawSmall(data, draw, run, outer) {
  const p = plot(150, 84, data.window.p, data.window.a, [1, 1, 1, 1]), theta = run.theta[outer];
  return `<svg viewBox="0 0 150 84" aria-hidden="true">${surface(p, draw.surfaces.before, false)}${draw.tasks.map((task, i) =>
    star(p.x(task.p), p.y(task.a), 6, `task${i + 1}`)).join("")}${line(p, run.theta.slice(0, outer + 1).map(xy), "trail")}
    <circle class="now" cx="${p.x(theta[1])}" cy="${p.y(theta[0])}" r="4"/>
    <rect class="frame" x="0.5" y="0.5" width="149" height="83"/></svg>`;
}

// --- what is differentiated --------------------------------------------------------------------------------

// The computation of one outer step for one task, left to right: the copies of θ, below them the inner gradients that
// each step subtracts, at the right the query loss. Drawn over it: what has been differentiated on the way to this frame.
function drawGraph(data, method, outer, inner, width) {
  const steps = method === "joint" ? 0 : data.inner, back = outer > 0 && !inner, r = data.inner > 4 ? 8 : 13;
  const p = { width, height: 150 }, [top, low] = [44, 108], left = 30, last = method === "reptile" ? steps : steps + 1;
  const x = (k) => left + ((width - 2 * left) * k) / Math.max(last, 1);
  const reached = (k) => back || k <= inner, parts = [];
  const edge = (from, to, kind) => parts.push(arrowInPixels(...shorten(from, to, r + 2), kind));
  const copy = (k) => [x(k), top], slope = (k) => [(x(k) + x(k + 1)) / 2, low];

  const forgotten = method === "maml" || (!back && !inner) ? "" : " gone"; // how a gradient was made, once it is used
  for (let k = 0; k < steps; k++) {
    const later = reached(k + 1) ? "" : " later", now = inner === k + 1 && !back;
    if (!back || method === "reptile") edge(copy(k), copy(k + 1), `link${later}`);
    if (!back || method !== "maml") edge(copy(k), slope(k), `link${later}${later || now ? "" : forgotten}`);
    if (!back || method !== "maml") edge(slope(k), copy(k + 1), `link${later}`);
    if (now && method !== "joint") edge(copy(k), slope(k), "back"); // this gradient has just been taken
  }
  if (last > steps && !back) edge(copy(steps), copy(last), "link later");
  if (back && method === "reptile") parts.push(bow(x(0), x(steps), top, r));
  if (back && method !== "reptile") {
    for (let k = last - 1; k >= 0; k--) edge(copy(k + 1), copy(k), "back");
    for (let k = steps - 1; k >= 0; k--) {
      if (method === "maml") {
        edge(copy(k + 1), slope(k), "back second");
        edge(slope(k), copy(k), "back second");
      } else {
        parts.push(cross((slope(k)[0] + x(k + 1)) / 2, (top + low) / 2));
      }
    }
  }

  for (let k = 0; k < steps; k++) parts.push(node(slope(k), r, "∇", reached(k + 1) ? "slope" : "slope later"));
  for (let k = 0; k <= steps; k++) {
    const letter = k === 0 ? "θ" : k === steps ? "φ" : "", kind = k === 0 ? "start" : reached(k) ? "node" : "node later";
    parts.push(node(copy(k), r, letter, kind));
  }
  if (last > steps) parts.push(node(copy(last), r + 2, "L", back ? "loss" : "loss later"));
  if (steps) parts.push(`<text class="tick" x="${left}" y="${low + 32}">∇: gradient of the support loss at each copy</text>`);
  if (last > steps) parts.push(`<text class="tick" x="${width - left + r}" y="${top - 24}" text-anchor="end">L: query loss</text>`);
  return `${svgOpen(p, "The computation of one outer step for one task; the words below say what is differentiated")}${parts.join("")}</svg>`;
}

const node = ([x, y], r, letter, kind) => `<circle class="${kind}" cx="${x}" cy="${y}" r="${r}"/>${
  letter ? `<text class="letter ${kind}" x="${x}" y="${y + 5}" text-anchor="middle">${letter}</text>` : ""}`;
const cross = (x, y) => `<path class="cross" d="M${x - 5} ${y - 5}L${x + 5} ${y + 5}M${x - 5} ${y + 5}L${x + 5} ${y - 5}"/>`;

// From θ to φ in one bow above the copies: what Reptile moves along.
const bow = (from, to, y, r) => `<path class="back bow" d="M${from} ${y - r - 2}C${from} ${y - 42} ${to} ${y - 42} ${to - 3} ${y - r - 8}"/>
  <polygon class="back head" points="${to},${y - r - 2} ${to - 7},${y - r - 9} ${to + 2},${y - r - 12}"/>`;

function shorten([x1, y1], [x2, y2], by) {
  const far = Math.hypot(x2 - x1, y2 - y1), [ux, uy] = [((x2 - x1) * by) / far, ((y2 - y1) * by) / far];
  return [x1 + ux, y1 + uy, x2 - ux, y2 - uy];
}

// --- the page around them ----------------------------------------------------------------------------------

function cards(data) {
  const methods = Object.entries(data.names), group = unique();
  if (methods.length < 2) return "";
  const card = ([key, title]) => `<label class="mlc-card"><input type="radio" name="${group}" value="${key}">
    <span class="mlc-title">${title}</span>${data.view === "both" ? '<span class="mlc-small"></span>' : ""}
    <span class="mlc-change"></span></label>`;
  return `<fieldset class="mlc-methods"><legend>Method: choose one to step through. Under each, its mean loss at θ, then after
    ${data.inner} inner step${data.inner > 1 ? "s" : ""}</legend><div class="mlc-cards">${methods.map(card).join("")}</div></fieldset>`;
}

function contourChoice(data) {
  if (!data.outer) return '<span class="mlc-of">contours: loss on the five support points</span>';
  return `<span class="mlc-of">contours: mean loss ${choice("contours", "Contours of the mean loss",
    [["before", "at θ"], ["after", "after adapting"]], "before")}</span>`;
}

function legend(data, tasks) {
  const key = (kind, shape, text) => `<span><svg width="22" height="14" aria-hidden="true">${shape.replace("@", kind)}</svg><span>${text}</span></span>`;
  const stroke = '<line class="@" x1="1" x2="21" y1="7" y2="7"/>', dot = '<circle class="@" cx="11" cy="7" r="5"/>';
  const many = tasks.length > 1, first = many ? "" : " task1";
  const dots = many ? tasks.map((_, i) => key(`point task${i + 1}`, dot, `task ${i + 1}`)) : [key("point task1", dot, "support points")];
  return `<p class="mlc-legend">${dots.join("")}${key(`truth${first}`, stroke, "true sine")}${key("theta", stroke, "θ")}${
    key(`copy${first}`, stroke, many ? "a task's copy of θ, at last φ<sub>i</sub>" : "the copy of θ, at last φ")}${
    data.view === "both" ? `<span><svg width="22" height="14" aria-hidden="true">${star(11, 7, 7, first.trim())}</svg>the task itself</span>` : ""}</p>`;
}

function note(data, tasks) {
  const points = tasks.length > 1 ? `${data.queries} query points of each of the three tasks` : `${data.queries} other points of the wave, which are not drawn`;
  const exact = data.view === "both" ? " With just these two parameters the plane is the whole parameter space: the picture is exact, nothing is projected." : "";
  return `<p class="mlc-note">The model is f(x) = a sin(x − p), θ = (a, p).${exact} The figures are losses, the mean squared error on
    ${points}, in squared units of y.</p>`;
}

function graph(data) {
  if (!data.outer) return "";
  return `<details class="mlc-panel mlc-graph"${data.folded ? "" : " open"}><summary><b>What is differentiated</b> (one task; the others
    look alike)</summary><div class="mlc-beside"><div class="mlc-canvas"></div><p class="mlc-said mlc-differentiated" aria-live="polite"></p></div></details>`;
}

function page(data, last) {
  const tasks = Object.values(data.draws)[0].tasks, outer = data.outer ? button("outer mlc-main", "Outer step") : "";
  const parameters = data.view === "both" ? `<figure class="mlc-panel mlc-parameters"><figcaption><b>Parameter space</b>
    ${contourChoice(data)}</figcaption><div class="mlc-canvas"></div></figure>` : "";
  const speed = SPEEDS.map(([value, text]) => `<option value="${value}"${value === "900" ? " selected" : ""}>${text}</option>`);
  return `${cards(data)}
    <div class="mlc-panels"><figure class="mlc-panel mlc-functions"><figcaption><b>Function space</b>
    <span class="mlc-of">curves and support points</span></figcaption><div class="mlc-canvas"></div></figure>${parameters}</div>
    ${legend(data, tasks)}
    <div class="mlc-controls">${button("inner mlc-main", "Inner step")}${outer}${button("back", "Back")}${button("restart", "Restart")}
    ${button("play", "Play")}${slide("frames", "Frame", { min: 0, max: last, step: 1 })}</div>
    <ol class="mlc-losses" aria-label="Loss after each inner step"></ol><p class="mlc-caption" aria-live="polite"></p>${graph(data)}
    <div class="mlc-more"><label>Speed of Play <select class="mlc-speed">${speed.join("")}</select></label>
    ${button("points", "Other points")}</div>${note(data, tasks)}`;
}

// What a reader can press, slide and choose. index() is the frame's number and at() its outer and inner step, go(i) another frame.
function bind(root, model, data, { index, at, go, draw, stop }) {
  const $ = (selector) => root.querySelector(selector), caption = $(".mlc-caption"), seeds = Object.keys(data.draws).map(Number);
  const onClick = (kind, act) => $(kind)?.addEventListener("click", () => { stop(); act(...at()); });
  onClick(".mlc-inner", (outer, inner) => {
    if (inner < data.inner) go(index() + 1);
    else caption.textContent = outer < data.outer ? "The inner loop is done: now take an outer step." : "The inner loop is done: go back, or restart.";
  });
  onClick(".mlc-outer", (outer) => {
    if (outer < data.outer) go((outer + 1) * (data.inner + 1));
    else caption.textContent = "That was the last outer step: look at the inner steps, or restart.";
  });
  onClick(".mlc-back", () => go(index() - 1));
  onClick(".mlc-restart", () => go(0));
  onClick(".mlc-points", () => set(model, { seed: seeds[(seeds.indexOf(model.get("seed")) + 1) % seeds.length] }));
  $(".mlc-graph")?.addEventListener("toggle", draw); // it has no width before it is opened
  $(".mlc-slide input").addEventListener("input", (event) => { stop(); go(Number(event.target.value)); });
  root.querySelectorAll(".mlc-card input").forEach((input) => input.addEventListener("change", () => set(model, { method: input.value })));
  root.querySelectorAll(".mlc-contours input").forEach((input) => input.addEventListener("change", draw));
}

export function mount(el, model) {
  const data = model.get("data"), size = data.inner + 1, last = (data.outer + 1) * size - 1;
  const root = widget(el, "stepper", "Stepper through the inner and the outer loop", page(data, last));
  const $ = (selector) => root.querySelector(selector), caption = $(".mlc-caption");

  const index = () => Math.min(last, model.get("index"));
  const at = () => [Math.floor(index() / size), index() % size];
  const draws = () => data.draws[model.get("seed")];
  const go = (i) => set(model, { index: between(0, i, last) });

  const draw = () => {
    const [outer, inner] = at(), method = model.get("method"), run = draws().runs[method], put = (panel, html) => {
      if ($(panel)) $(`${panel} .mlc-canvas`).innerHTML = html(widthOf($(`${panel} .mlc-canvas`)));
    };
    put(".mlc-functions", (width) => drawFunctions(draws(), method, run, outer, inner, width));
    put(".mlc-parameters", (width) => drawParameters(data, draws(), method, run, outer, inner, width, $(".mlc-contours :checked")?.value ?? "before"));
    put(".mlc-graph", (width) => drawGraph(data, method, outer, inner, width));
  };
  const showCards = (outer) => root.querySelectorAll(".mlc-card").forEach((card) => {
    const input = card.querySelector("input"), run = draws().runs[input.value], losses = run.losses[outer];
    input.checked = input.value === model.get("method");
    if (data.view === "both") card.querySelector(".mlc-small").innerHTML = drawSmall(data, draws(), run, outer);
    card.querySelector(".mlc-change").textContent = `${fixed(losses[0])} → ${fixed(losses[data.inner])}`;
  });
  const show = () => {
    const i = index(), [outer, inner] = at(), run = draws().runs[model.get("method")];
    const where = `${data.outer ? `outer step ${outer} of ${data.outer}, ` : ""}inner step ${inner} of ${data.inner}`;
    Object.assign(root.dataset, { index: i, method: model.get("method"), seed: model.get("seed") });
    $(".mlc-slide input").value = i;
    $(".mlc-slide input").setAttribute("aria-valuetext", where);
    $(".mlc-where").textContent = where;
    caption.textContent = sentence(data, run.captions[i]);
    if (data.outer) $(".mlc-differentiated").textContent = sentence(data, run.differentiated[i]);
    $(".mlc-losses").innerHTML = run.losses[outer].map((value, k) => `<li${k === inner ? ' class="mlc-at" aria-current="step"' : ""}>
      <span>${k ? `after ${k}` : "at θ"}</span> <b>${k <= inner ? fixed(value) : "·"}</b></li>`).join("");
    turnOff(root, { inner: inner === data.inner, outer: outer === data.outer, back: i === 0, restart: i === 0 });
    showCards(outer);
    draw();
  };

  const stop = player($(".mlc-play"), caption, {
    next: () => go(index() + 1),
    done: () => index() >= last,
    start: () => go(0),
    pause: () => Number($(".mlc-speed").value),
  });
  bind(root, model, data, { index, at, go, draw, stop });

  const ended = [listen(model, ["index", "method", "seed"], show), onWidth($(".mlc-panels"), draw), stop];
  show();
  return () => ended.forEach((end) => end());
}

export default { render({ model, el }) { return mount(el, model); } };
