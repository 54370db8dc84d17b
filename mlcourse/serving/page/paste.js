// The workbench for anything else: paste the body of a request, see the answer.

import { post } from "./api.js";

export function paste(place, model, say) {
  place.className = "";
  place.innerHTML = `<label>Body of POST /predict<textarea rows="10" spellcheck="false"></textarea></label>
    <p><button type="button" class="main">Send</button></p>
    <pre tabindex="0"></pre>`;
  const text = place.querySelector("textarea");
  const shape = ["n", ...model.form.features].join(", ");
  text.value = JSON.stringify({ model: model.name, support: { x: [], y: [] }, x: [] }, null, 1);
  say(`x has shape (${shape}).`);
  place.querySelector("button").onclick = async () => {
    try {
      const found = await post("predict", JSON.parse(text.value));
      place.querySelector("pre").textContent = JSON.stringify(found, null, 1).slice(0, 20000);
      say(`Answered in ${(1000 * found.seconds).toFixed(1)} ms.`);
    } catch (error) {
      say(error.message);
    }
  };
}
