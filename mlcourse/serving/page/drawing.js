// The workbench for small grey images: draw a few examples of each class, then a new one, and see what it is taken for.

import { post } from "./api.js";

const PAD = 224; // pixels of the drawing field
const PEN = 14;

function pad() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = PAD;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Drawing field: draw with the mouse, a finger or a pen");
  const context = canvas.getContext("2d");
  let inked = false;

  function clear() {
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, PAD, PAD);
    inked = false;
  }
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * PAD, ((event.clientY - box.top) / box.height) * PAD];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = "#000000";
    context.beginPath();
    context.moveTo(...at(event));
    context.lineTo(...at(event));
    context.stroke();
    inked = true;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    context.lineTo(...at(event));
    context.stroke();
  });
  clear();
  return { canvas, clear, isEmpty: () => !inked };
}

// The drawing as the model takes it: ink is 1, (1, side, side).
function pixels(canvas, side) {
  const small = document.createElement("canvas");
  small.width = small.height = side;
  const context = small.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(canvas, 0, 0, side, side);
  const { data } = context.getImageData(0, 0, side, side);
  const rows = Array.from({ length: side }, (_, r) =>
    Array.from({ length: side }, (_, c) => Math.round(1000 * (1 - data[4 * (r * side + c)] / 255)) / 1000),
  );
  return { image: [rows], small };
}

export function drawing(place, model, say) {
  const side = model.form.features[1];
  const needed = model.form.outputs ?? 2;
  const examples = [];
  const field = pad();
  place.className = "bench";
  place.innerHTML = `<div class="field"></div>
    <div>
      <p><label>Class <input value="A" size="8" maxlength="40" /></label>
        <button type="button" class="add">Add as example</button></p>
      <p><button type="button" class="main ask">What is this?</button>
        <button type="button" class="clear">Wipe</button>
        <button type="button" class="restart">Start again</button></p>
      <ul class="examples" aria-label="Examples"></ul>
    </div>`;
  place.querySelector(".field").append(field.canvas);
  const name = place.querySelector("input");
  const list = place.querySelector(".examples");
  const classes = () => [...new Set(examples.map((one) => one.label))];

  function hint() {
    const n = classes().length;
    say(n < needed ? `Draw an example, name its class, add it. ${n} of ${needed} classes so far.` : "Draw something new, and ask.");
  }
  place.querySelector(".add").onclick = () => {
    const label = name.value.trim();
    if (field.isEmpty() || !label) return say("Draw something and give it a name first.");
    const { image, small } = pixels(field.canvas, side);
    examples.push({ label, image });
    const item = document.createElement("li");
    item.append(small, document.createTextNode(label));
    list.append(item);
    field.clear();
    if (label.length === 1) name.value = String.fromCharCode(label.charCodeAt(0) + 1);
    hint();
  };
  place.querySelector(".ask").onclick = async () => {
    if (classes().length < needed) return hint();
    if (field.isEmpty()) return say("Draw the new one first.");
    const support = { x: examples.map((one) => one.image), y: examples.map((one) => one.label) };
    try {
      const x = [pixels(field.canvas, side).image];
      const found = await post("predict", { model: model.name, support, x });
      const sure = Math.round(100 * found.confidence[0]);
      const abstains = found.abstain[0] ? " It would rather ask a person." : "";
      say(`This is ${found.predictions[0]}; chance to be right: ${sure} %.${abstains} ` +
        `${(1000 * found.seconds).toFixed(1)} ms to adapt and answer, ${found.milliseconds.toFixed(0)} ms in all.`);
    } catch (error) {
      say(error.message);
    }
  };
  place.querySelector(".clear").onclick = () => field.clear();
  place.querySelector(".restart").onclick = () => {
    examples.length = 0;
    list.replaceChildren();
    field.clear();
    name.value = "A";
    hint();
  };
  hint();
}
