// The loop stepper's view: draws the frame that model.method and model.index name; computes nothing but pixels.
// One mount(el, model) for JupyterLab (anywidget's model) and for a page without a kernel (a plain object).

const SUBSCRIPTS = ["", "₁", "₂", "₃"];
const fixed = (value) => value.toFixed(2).replace("-", "−");

// --- a plot: an SVG drawn at its real width, so that its letters keep their size ---------------------------

function plot(width, height, xs, ys, margin) {
  const [left, right, top, bottom] = margin;
  const x = (v) => left + ((width - left - right) * (v - xs[0])) / (xs[1] - xs[0]);
  const y = (v) => height - bottom - ((height - top - bottom) * (v - ys[0])) / (ys[1] - ys[0]);
  return { width, height, x, y, left, top, w: width - left - right, h: height - top - bottom };
}

function axes(p, xTicks, yTicks, xLabel, yLabel) {
  const floor = p.top + p.h;
  const across = xTicks.map((v) => `<line class="grid" x1="${p.x(v)}" x2="${p.x(v)}" y1="${p.top}" y2="${floor}"/>
    <text class="tick" x="${p.x(v)}" y="${floor + 16}" text-anchor="middle">${String(v).replace("-", "−")}</text>`);
  const up = yTicks.map((v) => `<line class="grid" x1="${p.left}" x2="${p.left + p.w}" y1="${p.y(v)}" y2="${p.y(v)}"/>
    <text class="tick" x="${p.left - 6}" y="${p.y(v) + 4}" text-anchor="end">${String(v).replace("-", "−")}</text>`);
  return `${across.join("")}${up.join("")}
    <text class="label" x="${p.left + p.w / 2}" y="${p.height - 4}" text-anchor="middle">${xLabel}</text>
    <text class="label" transform="translate(12 ${p.top + p.h / 2}) rotate(-90)" text-anchor="middle">${yLabel}</text>`;
}

const points = (p, places) => places.map(([a, phase]) => `${p.x(phase).toFixed(1)},${p.y(a).toFixed(1)}`).join(" ");

function arrow(p, from, to, kind, gap = 0) { // gap: how far before its end it stops
  const [x1, y1, endX, endY] = [p.x(from[1]), p.y(from[0]), p.x(to[1]), p.y(to[0])];
  const full = Math.hypot(endX - x1, endY - y1), length = full - gap;
  if (length < 1) return "";
  const [x2, y2] = [x1 + ((endX - x1) * length) / full, y1 + ((endY - y1) * length) / full];
  const head = Math.min(9, Math.max(4, length * 0.6)), [ux, uy] = [(x2 - x1) / length, (y2 - y1) / length];
  const [bx, by] = [x2 - ux * head, y2 - uy * head];
  const side = head * 0.45;
  return `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${bx}" y2="${by}"/><polygon class="${kind} head"
    points="${x2},${y2} ${bx - uy * side},${by + ux * side} ${bx + uy * side},${by - ux * side}"/>`;
}

function star(x, y, radius, kind) {
  const corner = (_, i) => {
    const r = i % 2 ? radius * 0.45 : radius, angle = (Math.PI * i) / 5 - Math.PI / 2;
    return `${(x + r * Math.cos(angle)).toFixed(1)},${(y + r * Math.sin(angle)).toFixed(1)}`;
  };
  return `<polygon class="${kind} star" points="${Array.from({ length: 10 }, corner).join(" ")}"/>`;
}

// Where a letter beside a dot is farthest from everything else: [x, y] of its centre.
function freeSide(p, [a, phase], others, radius) {
  const taken = others.map((place) => [p.x(place[1]), p.y(place[0])]);
  const sides = Array.from({ length: 12 }, (_, i) => {
    const angle = (i * Math.PI) / 6, x = p.x(phase) + radius * Math.cos(angle), y = p.y(a) + radius * Math.sin(angle);
    return { x, y, room: Math.min(...taken.map(([u, v]) => Math.hypot(u - x, v - y)), y < p.top + p.h - 10 ? 60 : 0) };
  });
  return sides.reduce((best, side) => (side.room > best.room + 0.5 ? side : best));
}

const between = (from, to) => [0.25, 0.5, 0.75, 1].map((t) => [from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1])]);

// --- function space ----------------------------------------------------------------------------------------

function curve(p, [a, phase], kind) {
  const path = Array.from({ length: 121 }, (_, i) => {
    const x = -5 + i / 12;
    return `${p.x(x).toFixed(1)},${p.y(a * Math.sin(x - phase)).toFixed(1)}`;
  });
  return `<polyline class="${kind}" points="${path.join(" ")}"/>`;
}

function drawFunctions(data, method, outer, inner, width) {
  const p = plot(width, Math.round(Math.min(340, Math.max(270, width * 0.78))), [-5, 5], [-5, 5], [40, 8, 10, 38]);
  const theta = method.theta[outer], copies = method.paths[outer].map((path) => path[inner]);
  const peak = (task) => task.p + Math.PI / 2;
  return [
    svgOpen(p, `The curve of θ${inner ? ", the adapted curves" : ""} and the tasks' support points`),
    axes(p, [-4, -2, 0, 2, 4], [-4, -2, 0, 2, 4], "x", "y"),
    ...data.tasks.map((task, i) => curve(p, [task.a, task.p], `truth task${i + 1}`)),
    curve(p, theta, "theta"),
    ...(inner ? copies.map((place, i) => curve(p, place, `copy task${i + 1}${method.key === "joint" ? " only" : ""}`)) : []),
    ...data.tasks.flatMap((task, i) =>
      task.x.map((x, k) => `<circle class="point task${i + 1}" cx="${p.x(x)}" cy="${p.y(task.y[k])}" r="5"/>`)),
    ...(data.tasks.length > 1 ? data.tasks.map((task, i) =>
      `<text class="name task${i + 1}" x="${p.x(peak(task))}" y="${p.y(task.a) - 7}" text-anchor="middle">${i + 1}</text>`) : []),
    "</svg>",
  ].join("");
}

// --- parameter space ---------------------------------------------------------------------------------------

const svgOpen = (p, label) =>
  `<svg viewBox="0 0 ${p.width} ${p.height}" width="${p.width}" height="${p.height}" role="img" aria-label="${label}">`;

function surface(p, bands, labelled) {
  const regions = bands.map((band) => `<path class="band" d="${band.path}"/>`).reverse().join("");
  const at = (band) => [p.left + (band.label[0] * p.w) / 1000, p.top + (band.label[1] * p.h) / 1000];
  const texts = bands.filter((band) => labelled && band.label).map((band) => `<text class="height" text-anchor="middle"
    x="${at(band)[0]}" y="${at(band)[1] + 4}">${band.level}</text>`);
  return `<g transform="translate(${p.left} ${p.top}) scale(${p.w / 1000} ${p.h / 1000})">${regions}</g>${texts.join("")}`;
}

function drawParameters(data, method, outer, inner, width, which) {
  const p = plot(width, Math.round(Math.min(340, Math.max(270, width * 0.78))), data.window.p, data.window.a, [40, 8, 10, 38]);
  const clip = `mlc-clip-${Math.random().toString(36).slice(2)}`, theta = method.theta[outer], many = data.tasks.length > 1;
  const before = outer && !inner ? method.paths[outer - 1] : [];
  const ghosts = method.key === "joint" ? "" : before.map((path, i) =>
    `<polyline class="ghost task${i + 1}" points="${points(p, path)}"/>`).join("");
  const steps = method.paths[outer].map((path, i) => Array.from({ length: inner }, (_, k) =>
    arrow(p, path[k], path[k + 1], `step task${i + 1}${method.key === "joint" ? " only" : ""}`)).join("")).join("");
  const names = inner < data.inner ? "" : method.paths[outer].map((path, i) => {
    const [end, from] = [path[inner], path[inner - 1]];
    const [dx, dy] = [p.x(end[1]) - p.x(from[1]), p.y(end[0]) - p.y(from[0])], far = Math.hypot(dx, dy) || 1;
    return `<text class="name task${i + 1}" text-anchor="middle" x="${p.x(end[1]) + (17 * dx) / far}"
      y="${p.y(end[0]) + (15 * dy) / far + 5}">φ${many ? SUBSCRIPTS[i + 1] : ""}</text>`;
  }).join("");
  const drawn = [...method.theta.slice(Math.max(0, outer - 4), outer), ...(outer ? between(theta, method.theta[outer - 1]) : []),
    ...method.paths[outer].flatMap((path) => (inner ? [...between(theta, path[1]), ...path.slice(1, inner + 1)] : []))];
  const letter = freeSide(p, theta, drawn.length ? drawn : [[9, 9]], 16);
  return [
    svgOpen(p, `Loss contours, the path of θ${inner ? " and the inner steps" : ""}`),
    `<clipPath id="${clip}"><rect x="${p.left}" y="${p.top}" width="${p.w}" height="${p.h}"/></clipPath>`,
    axes(p, [0, 1, 2, 3], [0, 1, 2, 3, 4], "phase p (radians)", "amplitude a (units of y)"),
    `<g clip-path="url(#${clip})">`,
    surface(p, data.surfaces[which], true),
    ...data.tasks.map((task, i) => star(p.x(task.p), p.y(task.a), 9, `task${i + 1}`)),
    ...(many ? data.tasks.map((task, i) =>
      `<text class="name task${i + 1}" x="${p.x(task.p) + 16}" y="${p.y(task.a) + 5}" text-anchor="middle">${i + 1}</text>`) : []),
    `<polyline class="trail" points="${points(p, method.theta.slice(0, outer + 1))}"/>`,
    ...method.theta.slice(0, outer).map(([a, phase]) => `<circle class="was" cx="${p.x(phase)}" cy="${p.y(a)}" r="2.5"/>`),
    ghosts, steps, outer && !inner ? arrow(p, method.theta[outer - 1], theta, "outer", 6) : "",
    `<circle class="now" cx="${p.x(theta[1])}" cy="${p.y(theta[0])}" r="5.5"/>`, names,
    `<text class="name now" x="${letter.x}" y="${letter.y + 5}" text-anchor="middle">θ</text>`,
    `</g><rect class="frame" x="${p.left}" y="${p.top}" width="${p.w}" height="${p.h}"/></svg>`,
  ].join("");
}

function drawSmall(data, method, outer) {
  const p = plot(150, 84, data.window.p, data.window.a, [1, 1, 1, 1]), theta = method.theta[outer];
  return `<svg viewBox="0 0 150 84" aria-hidden="true">${surface(p, data.surfaces.before, false)}${data.tasks.map((task, i) =>
    star(p.x(task.p), p.y(task.a), 6, `task${i + 1}`)).join("")}
    <polyline class="trail" points="${points(p, method.theta.slice(0, outer + 1))}"/>
    <circle class="now" cx="${p.x(theta[1])}" cy="${p.y(theta[0])}" r="4"/>
    <rect class="frame" x="0.5" y="0.5" width="149" height="83"/></svg>`;
}

// --- the page around them ----------------------------------------------------------------------------------

function cards(data) {
  if (data.methods.length < 2) return "";
  const name = `mlc-${Math.random().toString(36).slice(2)}`;
  const card = (method) => `<label class="mlc-card"><input type="radio" name="${name}" value="${method.key}">
    <span class="mlc-title">${method.name}</span>${data.view === "both" ? '<span class="mlc-small"></span>' : ""}
    <span class="mlc-change"></span></label>`;
  return `<fieldset class="mlc-methods"><legend>Method: choose one to step through. Under each, its mean loss at θ, then after
    ${data.inner} inner step${data.inner > 1 ? "s" : ""}</legend><div class="mlc-cards">${data.methods.map(card).join("")}</div></fieldset>`;
}

function contourChoice(data) {
  if (!data.surfaces.after) return `<span class="mlc-of">contours: loss on the five support points</span>`;
  const name = `mlc-${Math.random().toString(36).slice(2)}`;
  const option = (which, text) => `<label><input type="radio" name="${name}" value="${which}"${
    which === "before" ? " checked" : ""}> ${text}</label>`;
  return `<span class="mlc-of" role="radiogroup" aria-label="Contours of the mean loss">contours: mean loss
    ${option("before", "at θ")}${option("after", "after adapting")}</span>`;
}

function legend(data) {
  const key = (kind, shape, text) => `<span><svg width="22" height="14" aria-hidden="true">${shape.replace("@", kind)}</svg>${text}</span>`;
  const line = '<line class="@" x1="1" x2="21" y1="7" y2="7"/>';
  const many = data.tasks.length > 1, first = many ? "" : " task1";
  const tasks = many ? data.tasks.map((_, i) => key(`point task${i + 1}`, '<circle class="@" cx="11" cy="7" r="5"/>',
    `task ${i + 1}`)).join("") : key("point task1", '<circle class="@" cx="11" cy="7" r="5"/>', "support points");
  return `<p class="mlc-legend">${tasks}${key(`truth${first}`, line, "true sine")}${key("theta", line, "θ")}${
    key(`copy${first}`, line, many ? "a task's copy of θ, at last φᵢ" : "the copy of θ, at last φ")}${
    data.view === "both" ? `<span><svg width="22" height="14" aria-hidden="true">${star(11, 7, 7, first.trim())}</svg>the task itself</span>` : ""}</p>`;
}

function note(data) {
  const points = `${data.queries} query points${data.tasks.length > 1 ? " of each of the three tasks" : " that are not drawn"}`;
  const exact = data.view === "both" ? " With just these two parameters the plane is the whole parameter space: the picture is exact, nothing is projected." : "";
  return `<p class="mlc-note">The model is f(x) = a sin(x − p), θ = (a, p).${exact} Loss: mean squared error on
    ${points}, in squared units of y.</p>`;
}

function page(data) {
  const button = (kind, text) => `<button type="button" class="mlc-${kind}">${text}</button>`;
  const outer = data.outer ? button("outer mlc-main", "Outer step") : "";
  const parameters = data.view === "both" ? `<figure class="mlc-panel mlc-parameters"><figcaption><b>Parameter space</b>
    ${contourChoice(data)}</figcaption><div class="mlc-canvas"></div></figure>` : "";
  return `${cards(data)}
    <div class="mlc-panels"><figure class="mlc-panel mlc-functions"><figcaption><b>Function space</b>
    <span class="mlc-of">curves and support points</span></figcaption><div class="mlc-canvas"></div></figure>${parameters}</div>
    ${legend(data)}
    <div class="mlc-controls">${button("inner mlc-main", "Inner step")}${outer}${button("back", "Back")}${button("restart", "Restart")}
    ${button("play", "Play")}<label class="mlc-slide"><span class="mlc-where"></span><input type="range" min="0"
    max="${data.methods[0].captions.length - 1}" step="1" aria-label="Frame"></label></div>
    <ol class="mlc-losses" aria-label="Loss after each inner step"></ol><p class="mlc-caption" aria-live="polite"></p>${note(data)}`;
}

export function mount(el, model) {
  const data = model.get("data"), last = data.methods[0].captions.length - 1, size = data.inner + 1;
  const root = document.createElement("div");
  root.className = "mlc mlc-stepper";
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Stepper through the inner and the outer loop");
  root.innerHTML = page(data);
  el.appendChild(root);
  const $ = (selector) => root.querySelector(selector), caption = $(".mlc-caption");
  let timer = null, which = "before";

  const index = () => Math.min(last, model.get("index"));
  const chosen = () => data.methods.find((method) => method.key === model.get("method")) ?? data.methods[0];
  const set = (key, value) => { model.set(key, value); model.save_changes(); };
  const go = (i) => set("index", Math.max(0, Math.min(last, i)));

  const draw = () => {
    const i = index(), outer = Math.floor(i / size), inner = i % size, method = chosen();
    const wide = (panel) => Math.max(280, Math.floor($(`${panel} .mlc-canvas`).clientWidth) || 420);
    $(".mlc-functions .mlc-canvas").innerHTML = drawFunctions(data, method, outer, inner, wide(".mlc-functions"));
    if (data.view === "both") {
      $(".mlc-parameters .mlc-canvas").innerHTML = drawParameters(data, method, outer, inner, wide(".mlc-parameters"), which);
    }
  };
  const showCards = (outer, method) => root.querySelectorAll(".mlc-card").forEach((card, k) => {
    const one = data.methods[k], losses = one.losses[outer];
    card.querySelector("input").checked = one === method;
    if (data.view === "both") card.querySelector(".mlc-small").innerHTML = drawSmall(data, one, outer);
    card.querySelector(".mlc-change").textContent = `${fixed(losses[0])} → ${fixed(losses[data.inner])}`;
  });
  const show = () => {
    const i = index(), outer = Math.floor(i / size), inner = i % size, method = chosen();
    const where = `${data.outer ? `outer step ${outer} of ${data.outer}, ` : ""}inner step ${inner} of ${data.inner}`;
    root.dataset.index = i;
    root.dataset.method = method.key;
    $(".mlc-slide input").value = i;
    $(".mlc-slide input").setAttribute("aria-valuetext", where);
    $(".mlc-where").textContent = where;
    caption.textContent = method.captions[i];
    $(".mlc-losses").innerHTML = method.losses[outer].map((value, k) => `<li${k === inner ? ' class="mlc-at" aria-current="step"' : ""}>
      <span>${k ? `after ${k}` : "at θ"}</span> <b>${k <= inner ? fixed(value) : "·"}</b></li>`).join("");
    const off = (kind, yes) => $(kind)?.setAttribute("aria-disabled", yes);
    off(".mlc-inner", inner === data.inner);
    off(".mlc-outer", outer === data.outer);
    off(".mlc-back", i === 0);
    off(".mlc-restart", i === 0);
    showCards(outer, method);
    draw();
  };

  const stop = () => {
    clearInterval(timer);
    timer = null;
    $(".mlc-play").textContent = "Play";
    caption.setAttribute("aria-live", "polite");
  };
  const onClick = (kind, act) => $(kind)?.addEventListener("click", () => { stop(); act(Math.floor(index() / size), index() % size); });
  onClick(".mlc-inner", (outer, inner) => {
    if (inner < data.inner) go(index() + 1);
    else caption.textContent = outer < data.outer ? "The inner loop is done: now take an outer step." : "The inner loop is done: go back, or restart.";
  });
  onClick(".mlc-outer", (outer) => {
    if (outer < data.outer) go((outer + 1) * size);
    else caption.textContent = "That was the last outer step: look at the inner steps, or restart.";
  });
  onClick(".mlc-back", () => go(index() - 1));
  onClick(".mlc-restart", () => go(0));
  $(".mlc-play").addEventListener("click", () => {
    if (timer) return stop();
    if (index() === last) go(0);
    $(".mlc-play").textContent = "Pause";
    caption.setAttribute("aria-live", "off"); // a caption a second would never let a screen reader finish
    timer = setInterval(() => { if (!root.isConnected || index() >= last) stop(); else go(index() + 1); }, 900);
  });
  $(".mlc-slide input").addEventListener("input", (event) => { stop(); go(Number(event.target.value)); });
  root.querySelectorAll(".mlc-card input").forEach((input) => input.addEventListener("change", () => set("method", input.value)));
  root.querySelectorAll(".mlc-of input").forEach((input) => input.addEventListener("change", () => { which = input.value; draw(); }));

  let width = 0; // panels are drawn anew when they get another width, and when they first get one
  const watch = new ResizeObserver(() => { if (width !== $(".mlc-canvas").clientWidth) { width = $(".mlc-canvas").clientWidth; draw(); } });
  watch.observe($(".mlc-panels"));
  model.on("change:index", show);
  model.on("change:method", show);
  show();
  return () => { stop(); watch.disconnect(); model.off("change:index", show); model.off("change:method", show); };
}

export default { render({ model, el }) { return mount(el, model); } };
