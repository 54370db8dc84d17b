// Your own sinusoid: networks from three starting places adapt in the browser to five points, step by step.
// `waves.py` gives the starting places and the words; `plane.js` has the points and the curves, `mlp.js` the arithmetic.

import { between, fixed } from "../plot.js";
import { button, listen, onWidth, player, set, slide, turnOff, widget } from "../controls.js";
import { readLayers } from "./mlp.js";
import { PLANE, errorTable, fivePoints, mapped, presetButtons } from "./plane.js";
import { fill, listed } from "../words.js";

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

// --- the page around it ------------------------------------------------------------------------------------

function rates(data) {
  const option = (m) => (rate) => `<option value="${rate}">${rate}${rate === data.tuned[m] ? " ✓" : ""}</option>`;
  return Object.entries(data.names).map(([m, name]) => `<label>${name} <select class="mlc-rate" data-method="${m}"
    aria-label="Learning rate of ${name}">${data.rates.map(option(m)).join("")}</select></label>`).join("");
}

function page(data) {
  const note = `✓ marks the rate that did best after ten steps on other waves${data.names.maml ? "; for MAML, the one that it was trained with" : ""}.`;
  return `${presetButtons(data)}<div class="mlc-panels">${PLANE}<div class="mlc-side">${errorTable(data)}</div></div>
    <p class="mlc-legend">Thin lines: before any step. Thick lines: now.</p>
    <div class="mlc-controls">${button("step mlc-main", "Step")}${button("back", "Back")}${button("restart", "Restart")}
    ${button("play", "Play")}${slide("steps", "Gradient steps", { min: 0, max: data.steps, step: 1 })}</div>
    <p class="mlc-caption" aria-live="polite"></p>
    <div class="mlc-more"><span>Learning rate:</span>${rates(data)}</div><p class="mlc-note">${note}</p>`;
}

function fillControls(root, data, { step, rates }) {
  const $ = (selector) => root.querySelector(selector);
  $(".mlc-slide input").value = step;
  $(".mlc-slide input").setAttribute("aria-valuetext", `step ${step} of ${data.steps}`);
  $(".mlc-where").textContent = `gradient step ${step} of ${data.steps}`;
  Object.entries(rates).forEach(([m, rate]) => { $(`[data-method="${m}"]`).value = rate; });
  turnOff(root, { step: step === data.steps, back: step === 0, restart: step === 0 });
}

// What a reader can press and choose. go(step) changes the state; stop() ends Play.
function bind(root, model, { go, stop }) {
  const onClick = (kind, act) => root.querySelector(kind).addEventListener("click", () => { stop(); act(model.get("step")); });
  onClick(".mlc-step", (step) => go(step + 1));
  onClick(".mlc-back", (step) => go(step - 1));
  onClick(".mlc-restart", () => go(0));
  root.querySelector(".mlc-slide input").addEventListener("input", (event) => { stop(); go(Number(event.target.value)); });
  root.querySelectorAll(".mlc-rate").forEach((select) => select.addEventListener("change", () => {
    set(model, { rates: { ...model.get("rates"), [select.dataset.method]: Number(select.value) } });
  }));
}

export function mount(el, model) {
  const data = model.get("data"), root = widget(el, "own", "Your own sinusoid", page(data));
  const $ = (selector) => root.querySelector(selector), caption = $(".mlc-caption");
  const starts = mapped(data.names, (m) => readLayers(data.starts[m])), five = fivePoints(root, model, () => stop());
  const go = (step) => set(model, { step: between(0, step, data.steps) });
  const stop = player($(".mlc-play"), caption, { next: () => go(model.get("step") + 1), done: () => model.get("step") >= data.steps, start: () => go(0) });

  const show = () => {
    const step = model.get("step"), { losses, errors, known } = five.show(starts, model.get("rates"));
    root.dataset.step = step;
    caption.textContent = words(data, step, losses, errors && mapped(data.names, (m) => errors[m].now), known);
    fillControls(root, data, { step, rates: model.get("rates") });
  };

  bind(root, model, { go, stop });
  const ended = [listen(model, ["points", "wave", "revealed", "rates", "step"], show), onWidth(five.canvas, show), stop];
  show();
  return () => ended.forEach((end) => end());
}

export default { render({ model, el }) { return mount(el, model); } };
