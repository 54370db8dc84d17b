// The dashboard: the five measures of each model from /metrics, every few seconds, and how busy the server is.

import { metrics } from "./api.js";

const EVERY = 3000; // milliseconds
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function card(name, value, small, alarm) {
  const made = document.createElement("div");
  made.innerHTML = "<dt></dt><dd></dd>";
  made.querySelector("dt").textContent = name;
  const told = made.querySelector("dd");
  told.textContent = value;
  told.classList.toggle("alarm", alarm);
  const below = document.createElement("small");
  below.textContent = small;
  told.append(below);
  return made;
}

function cards(of, judged) {
  const seen = of("few_shot_accuracy");
  const alarm = of("few_shot_alarm") === 1;
  const expected = percent(of("few_shot_accuracy_at_meta_test"));
  const width = of("few_shot_accuracy_half_width");
  const accuracy = seen === undefined ? "no feedback yet" : `${percent(seen)} ± ${percent(width)}`;
  const told = seen === undefined ? `${expected} at meta-test` : `${expected} at meta-test, ${of("feedback_tasks")} adapters`;
  const steps = of("inner_steps");
  const saved = judged.labels_saved;
  const labels = saved ? `${saved.labels}${saved.or_more ? " or more" : ""} a class` : "not measured";
  const gap = of("task_generalisation_gap");
  return [
    card("Few-shot accuracy", accuracy, alarm ? `ALARM: below the range of meta-test. ${told}` : told, alarm),
    card("Adaptation speed", steps ? `${steps} steps` : "no step", "gradient steps on a support set", false),
    card("Task generalisation gap", gap === undefined ? "not measured" : gap.toPrecision(2), "meta-train minus meta-test", false),
    card("Labels saved", labels, saved ? `against ${saved.rival}` : "against a rival without meta-learning", false),
    card("Time to deploy", `${(1000 * of("seconds_to_deploy")).toFixed(1)} ms`, "support set to first prediction", false),
  ];
}

export function dashboard(place, models) {
  async function draw() {
    if (document.hidden) return;
    const found = await metrics();
    const versions = found.filter(({ name }) => name === "mlcourse_feedback_tasks").map(({ labels }) => labels.model);
    const parts = versions.map((label) => {
      const mine = found.filter(({ labels }) => labels.model === label);
      const known = models.find(({ name, current }) => `${name}/${current}` === label);
      const of = (what) => mine.find((one) => one.name === `mlcourse_${what}`)?.value;
      const list = document.createElement("dl");
      list.className = "cards";
      list.append(...cards(of, known?.judged ?? {}));
      const heading = document.createElement("h3");
      heading.textContent = label;
      return [heading, list];
    });
    const total = (name, path) =>
      found.filter((one) => one.name === name && one.labels.path === path).reduce((sum, one) => sum + one.value, 0);
    const line = document.createElement("p");
    const asked = total("mlcourse_requests_total", "/adapt") + total("mlcourse_requests_total", "/predict");
    const batches = found.find((one) => one.name === "mlcourse_batch_size_count")?.value ?? 0;
    const sets = found.find((one) => one.name === "mlcourse_batch_size_sum")?.value ?? 0;
    line.textContent = `${asked} requests to adapt or predict. ${batches ? `${(sets / batches).toFixed(1)} support sets a batch on average.` : ""}`;
    place.replaceChildren(...parts.flat(), line);
  }
  const again = () => draw().catch((error) => (place.textContent = error.message)).finally(() => setTimeout(again, EVERY));
  again();
}
