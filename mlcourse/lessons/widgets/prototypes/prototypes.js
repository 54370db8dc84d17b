// The prototype explorer's view. A plane of the reader's own: points to drag, means, regions and probabilities computed here.
// The learned space: real episodes at their places along the two main directions, judged here in all their dimensions.

import { SUBSCRIPTS, between, fixed, frame, grid, line, name, plot, star } from "../plot.js";
import { button, choice, handle, listen, onWidth, plane, set, slide, turnOff, widget, widthOf } from "../controls.js";
import { inkOf, readImage, tile } from "../images.js";
import { logSoftmax, meanOf, squaredDistance } from "../points.js";
import { counted } from "../words.js";

// --- the whole arithmetic ----------------------------------------------------------------------------------

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
const unit = (point) => point.map((value) => value / Math.sqrt(dot(point, point) + 1e-12)); // a point at the origin stays finite

// How far the query is from a prototype; of the cosine, how near.
function measure(query, prototype, distance) {
  if (distance === "cosine") return dot(unit(query), unit(prototype));
  const square = squaredDistance(query, prototype);
  return distance === "squared" ? square : Math.sqrt(square);
}

// p(y = k | query) for each class: the softmax of negative distances, or of cosines.
export function probabilitiesOf(query, prototypes, distance) {
  const sign = distance === "cosine" ? 1 : -1;
  return logSoftmax(prototypes.map((prototype) => sign * measure(query, prototype, distance))).map(Math.exp);
}

const largest = (values) => values.indexOf(Math.max(...values));

// The part of a polygon that belongs to class k. All three measures are decided by straight lines: a class wins where its
// weights times the point, plus its bias, is largest.
export function regionOf(k, prototypes, distance, corners) {
  const linear = ([x, y]) => (distance === "cosine" ? [...unit([x, y]), 0] : [2 * x, 2 * y, -(x * x) - y * y]);
  const own = linear(prototypes[k]);
  return prototypes.reduce((region, prototype, j) => {
    const [a, b, c] = linear(prototype).map((value, i) => own[i] - value);
    return j === k ? region : clip(region, ([x, y]) => a * x + b * y + c);
  }, corners);
}

// What is left of a polygon where a linear function is not negative.
function clip(polygon, height) {
  return polygon.flatMap((to, i) => {
    const from = polygon.at(i - 1), [low, high] = [height(from), height(to)];
    const cross = low < 0 !== high < 0 ? [from.map((value, axis) => value + ((to[axis] - value) * low) / (low - high))] : [];
    return high < 0 ? cross : [...cross, to];
  });
}

// --- what stands for a class: a number, a shape, a colour -------------------------------------------------

const CORNERS = [0, 4, 3, 4, 5, 6]; // circle, square, triangle, diamond, pentagon, hexagon
const TURNS = [0, 45, -90, 0, -90, 0]; // degrees of the first corner
const hue = (k) => `task${k + 1}`;

function marker(k, radius = 10) {
  if (!CORNERS[k]) return `<circle class="marker ${hue(k)}" r="${radius}"/>`;
  const far = radius * (CORNERS[k] === 3 ? 1.45 : 1.2), corner = (_, i) => {
    const angle = ((TURNS[k] + (360 * i) / CORNERS[k]) * Math.PI) / 180;
    return `${(far * Math.cos(angle)).toFixed(1)},${(far * Math.sin(angle)).toFixed(1)}`;
  };
  return `<polygon class="marker ${hue(k)}" points="${Array.from({ length: CORNERS[k] }, corner).join(" ")}"/>`;
}

const numbered = (k, radius = 10) => `${marker(k, radius)}<text class="number" y="4" text-anchor="middle">${k}</text>`;

const stars = (p, prototypes, radius) => prototypes.map(([x, y], k) => star(p.x(x), p.y(y), radius, hue(k))).join("");

// c₀, c₁, …, each at the side of its prototype where it is farthest from all other points.
function names(p, prototypes, others) {
  const taken = [...others, ...prototypes].map(([x, y]) => [p.x(x), p.y(y)]);
  const room = ([u, v]) => Math.min(...taken.map(([x, y]) => Math.hypot(x - u, y - v)), u - p.left, p.left + p.w - u, v - p.top, p.top + p.h - v);
  return prototypes.map(([x, y], k) => {
    const sides = [[22, -16], [-22, -16], [22, 18], [-22, 18]].map(([dx, dy]) => [p.x(x) + dx, p.y(y) + dy]);
    const [u, v] = sides.reduce((best, side) => (room(side) > room(best) ? side : best));
    return name(u, v + 5, `c${SUBSCRIPTS[k]}`, "plain");
  }).join("");
}

// --- in words ----------------------------------------------------------------------------------------------

const DRAG = "Drag the numbered points and the question mark; the stars follow.";
const NOTES = {
  squared: `Squared distance: every border is straight, halfway between two prototypes. The farther the query is from a border, the
    surer it gets, without a limit.`,
  euclidean: `Distance without the square: the nearest prototype is the same, and so are the borders. But the prototypes' own distance
    from each other limits how sure it can get.`,
  cosine: `Cosine: only the direction from the origin counts, so the regions are wedges. Cosines lie between −1 and 1, so it is never
    sure: 0.88 is the most with two classes, and with more it is less.`,
};

function saidOfPlane(examples, chosen, best, probability) {
  const count = examples[chosen].length, c = `c${SUBSCRIPTS[chosen]}`;
  const mean = count === 1 ? `Class ${chosen} has one example: its prototype ${c} is that example.`
    : `The prototype ${c} is the mean of the ${count} examples of class ${chosen}.`;
  return `The query belongs to class ${best} with probability ${fixed(probability)}. ${mean}`;
}

// nearest: the class whose prototype is nearest in the picture.
function saidOfSpace(right, truth, kShot, probabilities, nearest) {
  const best = largest(probabilities), hits = right.filter(Boolean).length, sure = `with probability ${fixed(probabilities[best])}`;
  return `With ${counted(kShot, "support drawing")} of each class, ${hits} of ${right.length} queries are judged right${
    hits < right.length ? "; crosses mark the others" : ""}. The selected one, of class ${truth}, is judged ${
    best === truth ? `right, ${sure}` : `wrong: class ${best}, ${sure}`}.${
    nearest === best ? "" : ` In the picture c${SUBSCRIPTS[nearest]} is nearer to it.`}`;
}

function noteOfSpace(share, dimensions) {
  return `Where a drawing lies is what the network made of it. The picture shows the two main directions of this episode, which
    hold ${Math.round(100 * share)} % of the variance; distances and probabilities are computed in all ${dimensions} dimensions. Small
    pictures: support with its class's number, and without one the selected query. Numbers in shapes: the other queries. Stars: prototypes.`;
}

// --- the pages of both views -------------------------------------------------------------------------------

function page(data) {
  const views = Object.entries(data.views), classes = Array.from({ length: data.limits.classes[1] }, (_, k) => [String(k), `${k}`]);
  const [low, high] = data.limits.k_shot;
  return `<div class="mlc-choices">${views.length > 1 ? choice("view", "What is shown", views, "plane") : ""}
    ${choice("distance", "Measure", Object.entries(data.distances), "squared")}</div>
    <div class="mlc-panels"><figure class="mlc-panel"><div class="mlc-canvas"></div></figure>
    <table class="mlc-table"><caption><div><span class="mlc-large"></span><span class="mlc-judged"></span></div></caption><thead><tr><td></td>
    <th scope="col">probability</th><th scope="col" class="mlc-measure"></th></tr></thead><tbody></tbody></table></div>
    <p class="mlc-caption" aria-live="polite"></p>
    <div class="mlc-tools mlc-of-plane"><span class="mlc-of">Class ${choice("class", "Class to change", classes, "0")}</span>
    ${button("add", "Add example")}${button("remove", "Remove example")}${button("add-class", "Add class")}
    ${button("remove-class", "Remove class")}${button("reset", "Reset")}</div>
    <div class="mlc-tools mlc-of-space">${button("back", "Back")}${button("next mlc-main", "Another episode")}
    <span class="mlc-count"></span>${button("query", "Next query")}${slide("shots", "Support drawings of each class", { min: low, max: high, step: 1 })}</div>
    <p class="mlc-note"></p>`;
}

function rows(probabilities, measures) {
  const best = largest(probabilities);
  return probabilities.map((probability, k) => `<tr${k === best ? ' class="mlc-best"' : ""}><th scope="row"><svg width="26" height="26"
    viewBox="-15 -15 30 30" aria-hidden="true">${numbered(k)}</svg>class ${k}</th><td><span class="mlc-bar" aria-hidden="true"><span
    style="width:${(100 * probability).toFixed(1)}%;background:var(--mlc-${hue(k)},var(--mlc-quiet))"></span></span>${fixed(probability)}</td><td>${fixed(measures[k])}</td></tr>`).join("");
}

// --- a plane of your own -----------------------------------------------------------------------------------

function planeView(canvas, model, data, touched) {
  const [xs, ys] = data.window, on = plane(canvas, "Examples of each class, their prototypes and a query: all points can be moved");
  const corners = [[xs[0], ys[0]], [xs[1], ys[0]], [xs[1], ys[1]], [xs[0], ys[1]]];
  let handles = [], built = "";

  const move = (k, i, place) => set(model, { examples: model.get("examples").map((points, j) =>
    (j === k ? points.map((point, n) => (n === i ? place : point)) : points)) });
  const remove = (k, i) => {
    const examples = model.get("examples");
    if (examples[k].length === 1) return;
    set(model, { examples: examples.map((points, j) => (j === k ? points.filter((_, n) => n !== i) : points)) });
    on.handles.querySelector(`.${hue(k)}`).focus();
  };
  const example = (k, i) => handle(on, {
    label: () => `Example ${i + 1} of class ${k}`, kind: hue(k), shape: numbered(k),
    at: () => model.get("examples")[k][i],
    to: (x, y) => { touched(k, true); move(k, i, [x, y]); },
    done: () => touched(k, false),
    remove: () => remove(k, i),
  });
  const query = () => handle(on, {
    label: "Query", kind: "query", shape: '<circle class="asked" r="11"/><text class="mark" y="5" text-anchor="middle">?</text>',
    at: () => model.get("query"),
    to: (x, y) => { touched(null, true); set(model, { query: [x, y] }); },
    done: () => touched(null, false),
  });
  // Handles are made anew only when their number changes, so that one that is dragged stays.
  const build = (examples) => {
    if (built === examples.map((points) => points.length).join()) return;
    built = examples.map((points) => points.length).join();
    handles.forEach((one) => one.remove());
    handles = [...examples.flatMap((points, k) => points.map((_, i) => example(k, i))), query()];
  };

  return (prototypes, distance) => {
    const width = Math.min(widthOf(canvas), 640), p = plot(width, Math.round((width - 54) * 0.75) + 52, xs, ys, [40, 14, 14, 38]);
    const examples = model.get("examples"), middle = line(p, [[xs[0], 0], [xs[1], 0]], "axis") + line(p, [[0, ys[0]], [0, ys[1]]], "axis");
    const regions = prototypes.map((_, k) => [k, regionOf(k, prototypes, distance, corners)]).filter(([, region]) => region.length);
    const spokes = examples.flatMap((points, k) => points.map((point) => line(p, [point, prototypes[k]], `spoke ${hue(k)}`)));
    on.draw(p, `${grid(p, [-4, -2, 0, 2, 4], [-2, 0, 2], "first number of the embedding", "second number")}${regions.map(([k, region]) =>
      `<polygon class="region ${hue(k)}" points="${region.map(([x, y]) => `${p.x(x).toFixed(1)},${p.y(y).toFixed(1)}`).join(" ")}"/>`).join("")}
      ${distance === "cosine" ? `${middle}<circle class="origin" cx="${p.x(0)}" cy="${p.y(0)}" r="4"/>` : ""}${spokes.join("")}
      ${stars(p, prototypes, 19)}${names(p, prototypes, [...examples.flat(), model.get("query")])}${frame(p)}`);
    build(examples);
    handles.forEach((one) => one.show());
  };
}

// Where a new class is farthest from all examples, on a lattice inside the window.
function freePlace(examples, [xs, ys]) {
  const taken = examples.flat(), steps = [1, 2, 3, 4, 5, 6, 7];
  const lattice = steps.flatMap((i) => steps.map((j) => [xs[0] + ((xs[1] - xs[0]) * i) / 8, ys[0] + ((ys[1] - ys[0]) * j) / 8]));
  const room = (place) => Math.min(...taken.map((other) => measure(place, other, "squared")));
  return lattice.reduce((best, place) => (room(place) > room(best) ? place : best));
}

// A new example lies one unit from the class's mean, each time in another direction.
function nextExample(points, [xs, ys]) {
  const [x, y] = meanOf(points), angle = 2.4 * points.length;
  return [between(xs[0], x + Math.cos(angle), xs[1]), between(ys[0], y + Math.sin(angle), ys[1])];
}

// --- the learned space -------------------------------------------------------------------------------------

// The episode that is shown: support of each class as far as k_shot, and all queries class by class.
function episodeOf(data, read, number, kShot) {
  const { points, images, share } = data.episodes[number], shots = data.limits.k_shot[1];
  const one = (k, i) => ({ k, point: points[k][i], levels: read(images[k][i]) });
  const each = (from, to) => points.map((_, k) => Array.from({ length: to - from }, (__, i) => one(k, from + i)));
  return { support: each(0, kShot), queries: each(shots, shots + data.n_query).flat(), share, all: points.flat() };
}

// As wide as the points are, with room for a drawing at the edge.
function extent(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)], room = 0.12 * (high - low) || 1;
  return [low - room, high + room];
}

function picture(p, { k, point, levels }, side, size, kind) {
  const [x, y] = [p.x(point[0]) - size / 2, p.y(point[1]) - size / 2];
  return `<g class="picture ${kind} ${hue(k)}" transform="translate(${x.toFixed(1)} ${y.toFixed(1)})"><rect width="${size}" height="${size}" rx="2"/>
    <g transform="scale(${size / side})">${inkOf(levels, side)}</g>${kind === "support" ? `<text class="number" x="-2" y="6" text-anchor="end">${k}</text>` : ""}</g>`;
}

// A query that can be chosen; a cross stands out behind it if it is judged wrong.
function pick([x, y], chosen, k, right, size) {
  const far = chosen ? size * 0.8 : 14, cross = `<path class="cross" d="M${-far} ${-far}L${far} ${far}M${-far} ${far}L${far} ${-far}"/>`;
  return `<g class="mlc-pick" role="radio" tabindex="${chosen ? 0 : -1}" aria-checked="${chosen}" aria-label="Query of class ${k}, judged ${
    right ? "right" : "wrong"}" transform="translate(${x.toFixed(1)} ${y.toFixed(1)})"><circle class="ring" r="${far}"/>${
    right ? "" : cross}${numbered(k, 7)}</g>`;
}

function spaceView(canvas, model, data) {
  const on = plane(canvas, "Drawings of an episode where the network puts them; arrow keys go through the queries");
  on.handles.setAttribute("role", "radiogroup");
  on.handles.setAttribute("aria-label", "Queries");
  const count = data.n_way * data.n_query, select = (i) => set(model, { selected: (i + count) % count });
  on.handles.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    select(model.get("selected") + step);
    on.handles.querySelector("[tabindex='0']").focus();
  });
  let places = [];
  on.svg.addEventListener("click", (event) => { // the nearest query, since drawings lie over one another
    const box = on.svg.getBoundingClientRect(), scale = on.plot().width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const distances = places.map(([u, v]) => Math.hypot(u - x, v - y)), nearest = Math.min(...distances);
    if (nearest <= 30) select(distances.indexOf(nearest));
  });

  return (episode, prototypes, right) => {
    const width = Math.min(widthOf(canvas), 640), axis = (i) => extent(episode.all.map((point) => point[i])), chosen = model.get("selected");
    const p = plot(width, Math.round(width * 0.75), axis(0), axis(1), [20, 8, 8, 24]), size = width < 420 ? 26 : 32;
    places = episode.queries.map(({ point }) => [p.x(point[0]), p.y(point[1])]);
    const query = episode.queries[chosen];
    const spokes = episode.support.flatMap((drawings, k) => drawings.map(({ point }) => line(p, [point, prototypes[k]], `spoke ${hue(k)}`)));
    const points = [...episode.queries, ...episode.support.flat()].map(({ point }) => point), kShot = episode.support[0].length;
    on.draw(p, `${frame(p)}${prototypes.map((place) => line(p, [query.point, place], "reach")).join("")}${spokes.join("")}
      ${kShot === 1 ? stars(p, prototypes, size * 0.75) : ""}
      ${episode.support.flat().map((one) => picture(p, one, data.width, size, "support")).join("")}
      ${kShot > 1 ? stars(p, prototypes, size * 0.45) : ""}${names(p, prototypes, points)}
      <text class="label" x="${p.left + p.w / 2}" y="${p.height - 6}" text-anchor="middle">first main direction</text>
      <text class="label" transform="translate(12 ${p.top + p.h / 2}) rotate(-90)" text-anchor="middle">second main direction</text>`);
    const focused = on.handles.contains(document.activeElement);
    on.handles.innerHTML = places.map((place, i) => pick(place, i === chosen, episode.queries[i].k, right[i], size)).join("")
      + picture(p, query, data.width, size, "chosen");
    if (focused) on.handles.querySelector("[tabindex='0']").focus();
  };
}

// --- the widget --------------------------------------------------------------------------------------------

// Both views' pages: what is drawn, the table, the words, and which buttons can be pressed. draw: the view's own picture.
function showPlane({ $, root, model, data, draw }, chosen) {
  const examples = model.get("examples"), prototypes = examples.map(meanOf), [query, distance] = [model.get("query"), model.get("distance")];
  const probabilities = probabilitiesOf(query, prototypes, distance), best = largest(probabilities);
  draw(prototypes, distance);
  $(".mlc-judged").textContent = "The query “?”, judged by its nearness to each prototype";
  $("tbody").innerHTML = rows(probabilities, prototypes.map((place) => measure(query, place, distance)));
  $(".mlc-caption").textContent = saidOfPlane(examples, chosen, best, probabilities[best]);
  $(".mlc-note").textContent = `${DRAG} ${NOTES[distance]}`;
  root.querySelectorAll(".mlc-class label").forEach((label, k) => {
    label.hidden = k >= examples.length;
    label.firstChild.checked = k === chosen;
  });
  const { classes, examples: limits } = data.limits;
  turnOff(root, {
    add: examples[chosen].length === limits[1],
    remove: examples[chosen].length === limits[0],
    "add-class": examples.length === classes[1],
    "remove-class": examples.length === classes[0],
  });
}

function showSpace({ $, root, model, data, read, draw }) {
  const kShot = model.get("k_shot"), distance = model.get("distance"), episode = episodeOf(data, read, model.get("episode"), kShot);
  const prototypes = episode.support.map((drawings) => meanOf(drawings.map(({ point }) => point)));
  const all = episode.queries.map(({ point }) => probabilitiesOf(point, prototypes, distance));
  const right = episode.queries.map(({ k }, i) => largest(all[i]) === k), i = model.get("selected"), query = episode.queries[i];
  draw(episode, prototypes, right);
  $(".mlc-large").innerHTML = tile(query.levels, data.width, "query");
  $(".mlc-judged").textContent = `The selected query, of class ${query.k}`;
  $("tbody").innerHTML = rows(all[i], prototypes.map((place) => measure(query.point, place, distance)));
  const inPicture = prototypes.map((place) => -squaredDistance(query.point.slice(0, 2), place.slice(0, 2)));
  $(".mlc-caption").textContent = saidOfSpace(right, query.k, kShot, all[i], largest(inPicture));
  $(".mlc-note").textContent = noteOfSpace(episode.share, data.dimensions);
  $(".mlc-shots .mlc-where").innerHTML = `<code>k_shot</code> ${kShot}`;
  $(".mlc-shots input").value = kShot;
  turnOff(root, { back: model.get("episode") === 0 });
  $(".mlc-count").textContent = `${model.get("episode") + 1} of ${data.episodes.length}`;
}

export function mount(el, model) {
  const data = model.get("data"), root = widget(el, "prototypes", "Prototype explorer", page(data)), cache = new Map();
  const $ = (selector) => root.querySelector(selector), canvas = $(".mlc-canvas");
  const read = (text) => cache.get(text) ?? cache.set(text, readImage(text)).get(text);
  const parts = { $, root, model, data, read, draw: null };
  let chosen = 0, shown = ""; // the class that buttons change, and the view that the canvas holds

  const show = () => {
    const view = model.get("view"), inPlane = view === "plane";
    if (view !== shown) {
      parts.draw = inPlane ? planeView(canvas, model, data, touched) : spaceView(canvas, model, data);
      $(".mlc-of-plane").hidden = !inPlane;
      $(".mlc-of-space").hidden = $(".mlc-large").hidden = inPlane;
      shown = root.dataset.view = view;
    }
    root.querySelectorAll(".mlc-view input").forEach((input) => { input.checked = input.value === view; });
    root.querySelectorAll(".mlc-distance input").forEach((input) => { input.checked = input.value === model.get("distance"); });
    $(".mlc-measure").textContent = data.distances[model.get("distance")];
    chosen = Math.min(chosen, model.get("examples").length - 1);
    (inPlane ? showPlane : showSpace)(parts, chosen);
  };
  const choose = (k) => {
    chosen = k;
    show();
  };
  // An example of class k, or the query, is moved: while it is dragged the caption is not read out.
  function touched(k, dragged) {
    $(".mlc-caption").setAttribute("aria-live", dragged ? "off" : "polite");
    if (k !== null) chosen = k;
    if (!dragged) show();
  }

  bindPlane(root, model, data, () => chosen, choose);
  bindSpace(root, model, data);
  for (const key of ["view", "distance"]) {
    root.querySelectorAll(`.mlc-${key} input`).forEach((input) => input.addEventListener("change", () => set(model, { [key]: input.value })));
  }
  const keys = ["view", "distance", "examples", "query", "episode", "k_shot", "selected"];
  const ended = [listen(model, keys, show), onWidth($(".mlc-panels"), show)];
  show();
  return () => ended.forEach((end) => end());
}

function bindPlane(root, model, data, chosen, choose) {
  const onClick = (kind, change, then = () => {}) => root.querySelector(kind).addEventListener("click", (event) => {
    if (event.currentTarget.getAttribute("aria-disabled") === "true") return;
    set(model, { examples: change(model.get("examples"), chosen()) });
    then();
  });
  const inClass = (change) => (examples, k) => examples.map((points, j) => (j === k ? change(points) : points));
  onClick(".mlc-add", inClass((points) => [...points, nextExample(points, data.window)]));
  onClick(".mlc-remove", inClass((points) => points.slice(0, -1)));
  onClick(".mlc-add-class", (examples) => [...examples, [freePlace(examples, data.window)]], () => choose(model.get("examples").length - 1));
  onClick(".mlc-remove-class", (examples, k) => examples.filter((_, j) => j !== k));
  root.querySelector(".mlc-reset").addEventListener("click", () => set(model, data.start));
  root.querySelectorAll(".mlc-class input").forEach((input) => input.addEventListener("change", () => choose(Number(input.value))));
}

function bindSpace(root, model, data) {
  const onClick = (kind, act) => root.querySelector(kind).addEventListener("click", act), { length } = data.episodes;
  onClick(".mlc-next", () => set(model, { episode: (model.get("episode") + 1) % length }));
  onClick(".mlc-back", () => set(model, { episode: Math.max(0, model.get("episode") - 1) }));
  onClick(".mlc-query", () => set(model, { selected: (model.get("selected") + 1) % (data.n_way * data.n_query) }));
  root.querySelector(".mlc-shots input").addEventListener("input", (event) => set(model, { k_shot: Number(event.target.value) }));
}

export default { render({ model, el }) { return mount(el, model); } };
