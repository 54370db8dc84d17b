// What every view is worked with: buttons, choices, slides, things to drag, and a clock that plays.
// Everything can be reached and moved by mouse, by finger and by keyboard, and says what it is.

import { between } from "./plot.js";

export const unique = () => `mlc-${Math.random().toString(36).slice(2)}`;
export const prefersStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export const button = (kind, text) => `<button type="button" class="mlc-${kind}">${text}</button>`;

// Buttons that have nothing to do just now, as { kind: whether }: they say so, and keep the focus.
export function turnOff(root, buttons) {
  Object.entries(buttons).forEach(([kind, yes]) => root.querySelector(`.mlc-${kind}`)?.setAttribute("aria-disabled", yes));
}

export const slide = (kind, label, { min, max, step }) => `<label class="mlc-slide mlc-${kind}"><span class="mlc-where"></span>
  <input type="range" min="${min}" max="${max}" step="${step}" aria-label="${label}"></label>`;

// Options [value, text] of which one is chosen, as a row of radio buttons.
export function choice(kind, label, options, chosen) {
  const group = unique(), option = ([value, text]) => `<label><input type="radio" name="${group}" value="${value}"${
    value === chosen ? " checked" : ""}> ${text}</label>`;
  return `<span class="mlc-of mlc-${kind}" role="radiogroup" aria-label="${label}">${options.map(option).join("")}</span>`;
}

// The widget's outermost element. label: what a screen reader calls it.
export function widget(el, kind, label, html) {
  const root = document.createElement("div");
  root.className = `mlc mlc-${kind}`;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", label);
  root.innerHTML = html;
  // JupyterLab would take arrows, Enter and letters for commands to the notebook; what it runs a cell by it may have
  root.addEventListener("keydown", (event) => {
    const forThePage = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === "Enter");
    if (!forThePage) event.stopPropagation();
  });
  el.appendChild(root);
  return root;
}

// The view hears these traits of the model; returns what ends it.
export function listen(model, keys, show) {
  keys.forEach((key) => model.on(`change:${key}`, show));
  return () => keys.forEach((key) => model.off(`change:${key}`, show));
}

export function set(model, values) {
  Object.entries(values).forEach(([key, value]) => model.set(key, value));
  model.save_changes();
}

// Draws anew when the element first gets a width, and whenever it gets another one.
export function onWidth(element, draw) {
  let width = 0;
  const watch = new ResizeObserver(() => {
    if (width === element.clientWidth) return;
    width = element.clientWidth;
    draw();
  });
  watch.observe(element);
  return () => watch.disconnect();
}

export const widthOf = (element) => Math.max(280, Math.floor(element.clientWidth) || 420);

// A clock behind a Play button. next() takes one step, done() says that none is left, start() goes back to the beginning.
// A reader who prefers still pages is taken to the end at once. While it plays the caption is not read out.
export function player(play, caption, { next, done, start, pause = () => 900 }) {
  let timer = null;
  const stop = () => {
    clearTimeout(timer);
    timer = null;
    play.textContent = "Play";
    caption.setAttribute("aria-live", "polite");
  };
  const tick = () => {
    if (!play.isConnected) return stop();
    if (!done()) next();
    if (!done()) timer = setTimeout(tick, pause());
    else end();
  };
  const end = () => {
    stop();
    caption.textContent = `${caption.textContent}`; // the last words came while nothing was read out
  };
  play.addEventListener("click", () => {
    if (timer) return stop();
    if (done()) start();
    if (prefersStill()) {
      while (!done()) next();
      return;
    }
    play.textContent = "Pause";
    caption.setAttribute("aria-live", "off");
    timer = setTimeout(tick, pause());
  });
  return stop;
}

// --- a plane with things to drag ---------------------------------------------------------------------------

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// An svg of two layers: `scene`, drawn anew at every change, and above it handles, which stay and keep the focus.
export function plane(canvas, label) {
  canvas.innerHTML = `<svg role="group" aria-label="${label}"><g class="mlc-scene"></g><g class="mlc-handles"></g></svg>`;
  const svg = canvas.firstChild, [scene, handles] = svg.children;
  let p = null;
  return {
    svg, scene, handles,
    plot: () => p,
    draw(newPlot, html) {
      p = newPlot;
      svg.setAttribute("viewBox", `0 0 ${p.width} ${p.height}`);
      svg.setAttribute("width", p.width);
      svg.setAttribute("height", p.height);
      scene.innerHTML = html;
    },
    // Where the pointer is, in the plot's numbers, kept inside its frame.
    at(event) {
      const box = svg.getBoundingClientRect(), scale = p.width / box.width;
      return inside(p, p.atX((event.clientX - box.left) * scale), p.atY((event.clientY - box.top) * scale));
    },
  };
}

const inside = (p, x, y) => [between(p.xs[0], x, p.xs[1]), between(p.ys[0], y, p.ys[1])];

// A thing in a plane that mouse, finger and arrow keys move (with Shift five times as far; Delete removes it, where it may be).
// label: its name. shape: what is drawn, around the origin. at(): its place [x, y]. to(x, y): it is moved there.
// done(): the move has ended. Returns { show, remove }: show() puts it where at() says.
export function handle(on, { label, kind, shape, at, to, done = () => {}, remove = null, words = placeInWords }) {
  on.handles.insertAdjacentHTML("beforeend", `<g class="mlc-handle ${kind}" tabindex="0" role="slider"><circle class="hit" r="22"/>
    <circle class="ring" r="13"/>${shape}</g>`);
  const element = on.handles.lastElementChild;
  const show = () => {
    const [x, y] = at(), p = on.plot();
    element.setAttribute("transform", `translate(${p.x(x).toFixed(1)} ${p.y(y).toFixed(1)})`);
    element.setAttribute("aria-label", typeof label === "function" ? label() : label);
    element.setAttribute("aria-valuemin", p.xs[0]);
    element.setAttribute("aria-valuemax", p.xs[1]);
    element.setAttribute("aria-valuenow", x.toFixed(2));
    element.setAttribute("aria-valuetext", words(x, y));
  };
  let held = false;
  // Chromium does not heed touch-action on a part of an svg: without this a finger scrolls the page and the drag ends
  element.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault(); // no text is selected, no page is scrolled
    element.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    held = true;
  });
  element.addEventListener("pointermove", (event) => { if (held) to(...on.at(event)); });
  const release = () => {
    if (held) done();
    held = false;
  };
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  element.addEventListener("keydown", (event) => {
    if (remove && (event.key === "Delete" || event.key === "Backspace")) {
      event.preventDefault();
      return remove();
    }
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    const p = on.plot(), far = event.shiftKey ? 0.1 : 0.02, [x, y] = at(), [dx, dy] = ARROWS[event.key];
    to(...inside(p, x + dx * far * (p.xs[1] - p.xs[0]), y + dy * far * (p.ys[1] - p.ys[0])));
    done();
  });
  return { element, show, remove: () => element.remove() };
}

const placeInWords = (x, y) => `${x.toFixed(1)} across, ${y.toFixed(1)} up`.replaceAll("-", "minus ");
