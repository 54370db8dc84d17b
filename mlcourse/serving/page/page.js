// The page at /: choose a model, and get the workbench that suits what it takes.

import { get, useToken } from "./api.js";
import { curve } from "./curve.js";
import { dashboard } from "./dashboard.js";
import { drawing } from "./drawing.js";
import { paste } from "./paste.js";

const find = (id) => document.getElementById(id);

export function say(text) {
  find("said").textContent = text;
}

function bench(model) {
  const { kind, features } = model.form;
  if (kind === "numbers" && features.length === 1 && features[0] === 1) return curve;
  if (kind === "classes" && features.length === 3 && features[0] === 1) return drawing;
  return paste;
}

function show(model) {
  const { metric, mean, half_width } = model.judged;
  const score = metric === "accuracy" ? `${(100 * mean).toFixed(1)} ± ${(100 * half_width).toFixed(1)} % right` : `${metric} ${mean.toPrecision(3)} ± ${half_width.toPrecision(2)}`;
  find("about").textContent = `Version ${model.current}. On new tasks at meta-test: ${score}.`;
  find("workbench").replaceChildren();
  say("");
  bench(model)(find("workbench"), model, say);
}

async function start() {
  try {
    const { models } = await get("models");
    const choice = find("model");
    choice.replaceChildren(...models.map((model) => new Option(model.name, model.name)));
    choice.onchange = () => show(models.find((model) => model.name === choice.value));
    show(models[0]);
    dashboard(find("dashboard"), models);
  } catch (error) {
    say(error.message);
  }
}

// A server that asks for tokens says so to a request without one.
get("adapters?limit=1").catch((error) => {
  if (error.status !== 401) return;
  find("token-label").hidden = false;
  find("token").oninput = (event) => useToken(event.target.value);
});
start();
