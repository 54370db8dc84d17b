// The workbench for one number in, one number out: click points, see the curve that the model makes of them.

import { post } from "./api.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDE = 480;
const HIGH = 320;
const RANGE = { x: [-5, 5], y: [-5, 5] };
const START = [
  [-4, 2.4],
  [-2.2, 0.1],
  [0, -2.1],
  [1.6, 1.4],
  [3.6, 1.3],
];

function element(name, attributes) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const across = (x) => ((x - RANGE.x[0]) / (RANGE.x[1] - RANGE.x[0])) * WIDE;
const down = (y) => HIGH - ((y - RANGE.y[0]) / (RANGE.y[1] - RANGE.y[0])) * HIGH;
const round = (number) => Math.round(100 * number) / 100;

export function curve(place, model, say) {
  const points = START.map((point) => [...point]);
  const grid = Array.from({ length: 101 }, (_, i) => [RANGE.x[0] + i / 10]);
  const picture = element("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", tabindex: 0 });
  const row = document.createElement("p");
  row.innerHTML = `<label>Points, x y a line<textarea rows="6" spellcheck="false"></textarea></label>
    <button type="button">Clear</button>`;
  const text = row.querySelector("textarea");
  place.className = "bench";
  place.replaceChildren(document.createElement("div"), document.createElement("div"));
  place.firstChild.append(picture);
  place.lastChild.append(row);
  let asked = 0;

  function draw(outputs) {
    const axes = `M 0 ${down(0)} H ${WIDE} M ${across(0)} 0 V ${HIGH}`;
    picture.replaceChildren(element("path", { d: axes, stroke: "var(--line)", fill: "none" }));
    for (const [x, y, name] of [[4, 0.15, "x to 5"], [0.1, 4.5, "y to 5"], [-4.95, 0.15, "−5"], [0.1, -4.9, "−5"]]) {
      const label = element("text", { x: across(x), y: down(y), fill: "var(--quiet)", "font-size": 16 });
      label.textContent = name;
      picture.append(label);
    }
    if (outputs) {
      const line = outputs.map(([y], i) => `${i ? "L" : "M"}${across(grid[i][0])} ${down(y)}`).join(" ");
      picture.append(element("path", { d: line, stroke: "var(--blue)", "stroke-width": 3, fill: "none" }));
    }
    for (const [x, y] of points)
      picture.append(element("circle", { cx: across(x), cy: down(y), r: 6, fill: "var(--orange)" }));
    picture.setAttribute("aria-label", `${points.length} points and the model's curve through them`);
  }

  async function predict() {
    const number = ++asked;
    text.value = points.map((point) => point.map(round).join(" ")).join("\n");
    if (!points.length) {
      draw();
      say("Click into the picture, or type points.");
      return;
    }
    const support = { x: points.map(([x]) => [x]), y: points.map(([, y]) => [y]) };
    try {
      const found = await post("predict", { model: model.name, support, x: grid });
      if (number !== asked) return; // an older answer
      draw(found.predictions);
      const sure = Math.round(100 * found.confidence[0]);
      const abstains = found.abstain[0] ? " Below its threshold: better ask a person." : "";
      say(`${points.length} points. Adapted and answered in ${(1000 * found.seconds).toFixed(1)} ms, ` +
        `${found.milliseconds.toFixed(0)} ms with the way here and back. Chance to be right: ${sure} %.${abstains}`);
    } catch (error) {
      draw();
      say(error.message);
    }
  }

  picture.addEventListener("pointerdown", (event) => {
    const box = picture.getBoundingClientRect();
    const x = RANGE.x[0] + ((event.clientX - box.left) / box.width) * (RANGE.x[1] - RANGE.x[0]);
    const y = RANGE.y[1] - ((event.clientY - box.top) / box.height) * (RANGE.y[1] - RANGE.y[0]);
    points.push([round(x), round(y)]);
    predict();
  });
  text.addEventListener("change", () => {
    const rows = text.value.split("\n").map((line) => line.trim().split(/[\s,;]+/).map(Number));
    points.splice(0, points.length, ...rows.filter((pair) => pair.length === 2 && pair.every(Number.isFinite)));
    predict();
  });
  row.querySelector("button").addEventListener("click", () => {
    points.length = 0;
    predict();
  });
  draw();
  predict();
}
