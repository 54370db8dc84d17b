// Meta-training under a reader's eyes: MAML and pooled training from one random start, what their losses do, and how the
// networks that they have trained so far adapt to five points. `run.js` trains, `maml.js` has the gradients, `waves/plane.js` the
// five points; `training.py` gives the starts, the settings and the words.

import { between, fixed, frame, grid, line, plot, svgOpen } from "../plot.js";
import { button, choice, listen, onWidth, prefersStill, set, slide, turnOff, widget, widthOf } from "../controls.js";
import { readLayers } from "../waves/mlp.js";
import { PLANE, errorTable, fivePoints, mapped, presetButtons } from "../waves/plane.js";
import { counted, fill, listed } from "../words.js";
import { trainer } from "./run.js";

const TOP = 5; // of the losses' plots: an untrained network's is below it
const counts = (number) => number.toLocaleString("en");

// --- parameters in one row, and in layers ------------------------------------------------------------------

const inARow = (layers) => Float64Array.from(layers.flatMap(({ w, b }) => [...w, ...b]));

function inLayers(theta, sizes) {
  let read = 0;
  const take = (count) => theta.subarray(read, (read += count));
  return sizes.slice(1).map((outputs, layer) => ({ w: take(sizes[layer] * outputs), b: take(outputs) }));
}

// --- what is seen ------------------------------------------------------------------------------------------

// The losses of one method so far, [step, before, after] an inner step: two lines, with their names at the right.
function drawLosses(p, m, total, losses, words) {
  const last = losses.at(-1), at = (k) => losses.map((one) => [one[0] / 1000, between(0, one[k], TOP)]);
  const label = (k, text, below) => (last ? `<text class="end ${m}" text-anchor="end" x="${p.left + p.w - 5}"
    y="${p.y(between(0, last[k], TOP)) + (below ? 17 : -7)}">${text}</text>` : "");
  const ticks = [0, 1, 2, 3, 4].map((quarter) => Math.round((quarter * total) / 40) / 100);
  return `${svgOpen(p, words)}${grid(p, ticks, [0, 1, 2, 3, 4, 5], "meta-steps, in thousands", "loss on new waves")}${frame(p)}
    ${line(p, at(1), `before ${m}`)}${line(p, at(2), `after ${m}`)}${label(1, "before any step", false)}${label(2, "after one step", true)}</svg>`;
}

function page(data) {
  const { settings, judged } = data;
  const panel = ([m, name]) => `<figure class="mlc-panel mlc-training-of" data-method="${m}"><figcaption><b>${name}</b>
    <span class="mlc-of">${data.about[m]}</span></figcaption><div class="mlc-canvas"></div></figure>`;
  const seeds = Object.keys(data.starts).map((seed) => [seed, `seed ${seed}`]);
  return `<div class="mlc-controls">${button("train mlc-main", "Meta-train")}${button("anew", "Start again")}
    ${choice("seed", "Seed of the random start and of the tasks", seeds)}<span class="mlc-count"></span></div>
    <p class="mlc-caption" aria-live="polite"></p>
    <div class="mlc-panels mlc-both">${Object.entries(data.names).map(panel).join("")}</div>
    ${presetButtons(data)}<div class="mlc-panels">${PLANE}<div class="mlc-side">${errorTable(data)}
    ${slide("steps", "Gradient steps", { min: 0, max: data.steps, step: 1 })}
    <p class="mlc-legend">Thin lines: θ as trained so far. Thick lines: after these steps.</p></div></div>
    <p class="mlc-note">Both train on the same ${settings.meta_batch_size} waves a meta-step, ${settings.k_shot} support and ${settings.n_query} query points
    each, by Adam; MAML through one inner step of ${settings.inner_lr}, with the second derivatives. The losses above are means over ${
    judged.n_tasks} other waves, with ${judged.k_shot} support points each.</p>`;
}

// --- in words ----------------------------------------------------------------------------------------------

function words(data, losses, step) {
  const say = data.sentences;
  if (!step) return say.untrained;
  const change = (m) => fill(say.change, [...losses[m].at(-1).slice(1).map((loss) => fixed(loss)), data.names[m]]);
  return fill(say.trained, [counts(step), counts(data.settings.meta_steps), listed(Object.keys(data.names).map(change))]);
}

const inShort = (data, m, losses) => `Losses of ${data.names[m]} by meta-step${
  losses.length ? `: before any gradient step now ${fixed(losses.at(-1)[1])}, after one ${fixed(losses.at(-1)[2])}` : ", not trained yet"}`;

// --- a training and its record -----------------------------------------------------------------------------

// The training that a seed begins, not yet going: how far it is, its losses and its networks. heard(): it has got further.
function begin(data, seed, heard) {
  const { sizes } = data.starts[seed], layers = readLayers(data.starts[seed]);
  const run = { step: 0, losses: mapped(data.names, () => []), starts: mapped(data.names, () => layers), going: false };
  const given = { theta: inARow(layers), seed, units: data.units, settings: data.settings, judged: data.judged,
    family: { ...data.family, input: data.window.x } };
  let work = null;
  const tell = ({ step, losses, thetas }) => {
    run.step = step;
    run.starts = mapped(data.names, (m) => inLayers(thetas[m], sizes));
    Object.keys(data.names).forEach((m) => run.losses[m].push([step, ...losses[m]]));
    if (step === data.settings.meta_steps) {
      run.going = false;
      work.end();
    }
    heard();
  };
  return Object.assign(run, {
    go(yes) {
      run.going = yes;
      work ??= trainer(given, tell);
      if (yes) work.go();
      else work.pause();
    },
    end: () => work?.end(),
    place: () => work?.place() ?? "nowhere",
  });
}

function fillControls(root, data, { run, step, seed }) {
  const $ = (selector) => root.querySelector(selector), total = data.settings.meta_steps, done = run.step === total;
  $(".mlc-train").textContent = run.going ? "Pause" : run.step && !done ? "Go on" : "Meta-train";
  $(`.mlc-seed input[value="${seed}"]`).checked = true;
  $(".mlc-count").textContent = `meta-step ${counts(run.step)} of ${counts(total)}`;
  $(".mlc-steps input").value = step;
  $(".mlc-steps input").setAttribute("aria-valuetext", `step ${step} of ${data.steps}`);
  $(".mlc-where").textContent = `adapted by ${counted(step, "gradient step")}`;
  turnOff(root, { train: done, anew: !run.step && !run.going });
}

export function mount(el, model) {
  const data = model.get("data"), root = widget(el, "training", "Meta-training", page(data)), $ = (selector) => root.querySelector(selector);
  const five = fivePoints(root, model, () => {}), rates = mapped(data.names, () => data.settings.inner_lr), caption = $(".mlc-caption");
  let run = null;

  const draw = () => {
    Object.keys(data.names).forEach((m) => {
      const canvas = $(`.mlc-training-of[data-method="${m}"] .mlc-canvas`), { meta_steps: total } = data.settings;
      const p = plot(widthOf(canvas), 230, [0, total / 1000], [0, TOP]);
      canvas.innerHTML = drawLosses(p, m, total, run.losses[m], inShort(data, m, run.losses[m]));
    });
    five.show(run.starts, rates);
  };
  const show = () => {
    const step = model.get("step"), seed = model.get("seed");
    root.dataset.step = step;
    Object.assign(root.dataset, { seed, trained: run.step, going: run.going, place: run.place() });
    fillControls(root, data, { run, step, seed });
    if (run.going && prefersStill()) return; // the pictures wait for the end, or for a pause
    caption.setAttribute("aria-live", run.going ? "off" : "polite");
    caption.textContent = words(data, run.losses, run.step);
    draw();
  };
  const anew = () => {
    run?.end();
    run = begin(data, model.get("seed"), () => (root.isConnected ? show() : run.end()));
    show();
  };
  const act = (kind, what) => $(kind).addEventListener("click", (event) => {
    if (event.currentTarget.getAttribute("aria-disabled") !== "true") what();
  });

  act(".mlc-train", () => { run.go(!run.going); show(); });
  act(".mlc-anew", anew);
  $(".mlc-seed").addEventListener("change", (event) => set(model, { seed: Number(event.target.value) }));
  $(".mlc-steps input").addEventListener("input", (event) => set(model, { step: Number(event.target.value) }));
  const ended = [listen(model, ["points", "wave", "revealed", "step"], show), listen(model, ["seed"], anew), onWidth(five.canvas, show), () => run.end()];
  anew();
  return () => ended.forEach((end) => end());
}

export default { render({ model, el }) { return mount(el, model); } };
