// The episode browser's view: picks from the deck in model.data the episode that model.number, n_way, k_shot and n_query
// name. Labels hidden, it asks for the class of one query after the other and counts.

import { button, choice, listen, set, slide, turnOff, widget } from "../controls.js";
import { readImage, tile } from "../images.js";
import { counted } from "../words.js";

const SIZES = { n_way: "classes", k_shot: "to learn from", n_query: "to be judged on" };
const percent = (part, whole) => `${Math.round((100 * part) / whole)} %`;

// --- the episode -------------------------------------------------------------------------------------------

// The drawings of the present episode by label: support [[levels, …], …], query likewise; and the order of its hidden queries.
function deal(data, read, { number, n_way, k_shot, n_query }) {
  const [most, each] = [data.limits.n_query[1], data.limits.k_shot[1] + data.limits.n_query[1]], first = data.limits.k_shot[1];
  const drawing = (label, place) => read(data.classes[number][label], Number(data.drawings[number][label * each + place]));
  const rows = (count, from) => Array.from({ length: n_way }, (_, label) =>
    Array.from({ length: count }, (_, i) => drawing(label, from + i)));
  const asked = data.mixed[number].map((code) => [Math.floor(code / most), code % most]);
  return {
    support: rows(k_shot, 0),
    query: rows(n_query, first),
    order: asked.filter(([label, i]) => label < n_way && i < n_query),
  };
}

// The label whose mean drawing is nearest in squared distance. In whole numbers (K times the query against the sum of K
// support drawings), so that nothing is rounded.
function nearestClassMean(support, query) {
  const distances = support.map((drawings) => query.reduce((total, level, pixel) =>
    total + (drawings.length * level - drawings.reduce((sum, drawing) => sum + drawing[pixel], 0)) ** 2, 0));
  return distances.indexOf(Math.min(...distances));
}

// Which label the class had in the episode before, if it was there: for each label of this one.
function labelsBefore(data, { number, n_way }) {
  const before = number ? data.classes[number - 1].slice(0, n_way) : [];
  return data.classes[number].slice(0, n_way).map((which) => before.indexOf(which));
}

// --- in words ----------------------------------------------------------------------------------------------

function shapes(data, side, { n_way, k_shot, n_query }) {
  const part = (name, count) => `<span><b>${name}</b> ${n_way} × ${count} = ${counted(n_way * count, "drawing")}:
    <code>${name.toLowerCase()}.x</code> has the shape <code>(${n_way * count}, 1, ${side}, ${data.width})</code>.</span>`;
  return `${part("Support", k_shot)} ${part("Query", n_query)} <span>The axes: drawings, grey channel, height, width.</span>`;
}

function dealtAnew(before, number) {
  if (!number) return "Which character is called class 0 is dealt by chance: press “Another episode” and see.";
  const back = before.flatMap((old, label) => (old < 0 ? [] : [[old, label]]));
  if (!back.length) return "None of these characters was in the episode before.";
  const moved = back.map(([old, label]) => (old === label ? `what was class ${old} is class ${label} again` : `what was class ${old} is now class ${label}`));
  return `The labels are dealt anew: ${moved.join(", ")}.`;
}

function verdict(episode, guesses) {
  const right = guesses.filter((guess, i) => guess === episode.order[i][0]).length, all = episode.order.length;
  if (!guesses.length) return `Which class is the first of the ${all} queries? Compare it with the support drawings and press its class.`;
  const last = guesses.at(-1), truth = episode.order[guesses.length - 1][0];
  const answer = last === truth ? `is class ${truth}: right.` : `is class ${truth}, not ${last}.`;
  if (guesses.length < all) return `And this one? The one before ${answer} Right so far: ${right} of ${guesses.length}.`;
  const byPixels = episode.order.filter(([label, i]) => nearestClassMean(episode.support, episode.query[label][i]) === label).length;
  return `The last one ${answer} You have ${right} of ${all} right: ${percent(right, all)}. Blind guessing gets ${percent(1, episode.support.length)} on average;
    comparing the pixels with the mean of each class gets ${byPixels} of ${all} here: ${percent(byPixels, all)}.`;
}

// --- what is seen ------------------------------------------------------------------------------------------

const tiles = (drawings, width, kind, words) => `<span class="mlc-tiles" role="img" aria-label="${counted(drawings.length, `${words} drawing`)}">${
  drawings.map((levels) => tile(levels, width, kind)).join("")}</span>`;

function row(episode, label, before, width) {
  const old = before[label] < 0 ? "" : `<small>was class ${before[label]}</small>`;
  return `<li><span class="mlc-title">class ${label}${old}</span>${tiles(episode.support[label], width, "support", "support")}${
    tiles(episode.query[label], width, "query", "query")}</li>`;
}

function answered(episode, guesses, width) {
  return guesses.map((guess, k) => {
    const [label, i] = episode.order[k];
    return `<li>${tile(episode.query[label][i], width, "query")}<span>${guess === label ? `✓ ${label}` : `✗ is ${label}`}</span></li>`;
  }).join("");
}

function page(data) {
  const sizes = Object.keys(SIZES).map((key) =>
    slide(key.replace("_", "-"), key, { min: data.limits[key][0], max: data.limits[key][1], step: 1 }));
  return `<div class="mlc-sizes">${sizes.join("")}</div>
    ${choice("labels", "Labels of the queries", [["shown", "show the labels"], ["hidden", "hide them: I guess"]], "shown")}
    <div class="mlc-episode"><p class="mlc-shapes" aria-live="polite"></p>
    <div class="mlc-looking"><p class="mlc-heads" aria-hidden="true"><span></span><b>support</b><b>query</b></p><ol class="mlc-rows"></ol>
    <p class="mlc-dealt" aria-live="polite"></p></div>
    <div class="mlc-guessing"><div class="mlc-asked"><span class="mlc-large"></span><p class="mlc-verdict" aria-live="polite"></p></div>
    <div class="mlc-answers" role="group" aria-label="Your answer"></div><ol class="mlc-answered" aria-label="Queries answered so far"></ol>
    ${button("again", "Start again")}</div></div>
    <div class="mlc-controls">${button("back", "Back")}${button("next mlc-main", "Another episode")}<span class="mlc-count"></span></div>`;
}

// Sizes, episodes, guesses. deals(values) deals another episode, guess(label) answers.
function bind(root, model, { episodes, deals, guess }) {
  const $ = (selector) => root.querySelector(selector);
  Object.keys(SIZES).forEach((size) => $(`.mlc-${size.replace("_", "-")} input`).addEventListener("input",
    (event) => deals({ [size]: Number(event.target.value) })));
  root.querySelectorAll(".mlc-labels input").forEach((input) =>
    input.addEventListener("change", () => set(model, { hidden: input.value === "hidden" })));
  $(".mlc-next").addEventListener("click", () => deals({ number: (model.get("number") + 1) % episodes }));
  $(".mlc-back").addEventListener("click", () => { if (model.get("number")) deals({ number: model.get("number") - 1 }); });
  $(".mlc-again").addEventListener("click", () => deals({}));
  $(".mlc-answers").addEventListener("click", (event) => {
    const pressed = event.target.closest(".mlc-answer");
    if (pressed && event.detail < 2) guess(Number(pressed.value)); // the second half of a double click is no answer
  });
}

export function mount(el, model) {
  const data = model.get("data"), cache = new Map(), root = widget(el, "episodes", "Episode browser", page(data));
  const $ = (selector) => root.querySelector(selector), episodes = data.classes.length;
  const read = (which, drawing) => {
    const key = `${which} ${drawing}`;
    if (!cache.has(key)) cache.set(key, readImage(data.images[which][drawing]));
    return cache.get(key);
  };
  const chosen = () => Object.fromEntries(["number", "n_way", "k_shot", "n_query"].map((key) => [key, model.get(key)]));
  const deals = (values) => set(model, { guesses: [], ...values }); // another episode: old guesses are about other queries

  // Buttons stay while the episode does, so that they keep the focus.
  const showAnswers = (episode) => {
    $(".mlc-answers").innerHTML = episode.support.map((drawings, label) => `<button type="button" class="mlc-answer" value="${label}">
      <span>class ${label}</span>${tiles(drawings, data.width, "support", "support")}</button>`).join("");
  };
  const showGame = (episode, guesses) => {
    const over = guesses.length === episode.order.length, [label, i] = episode.order[over ? guesses.length - 1 : guesses.length];
    $(".mlc-large").innerHTML = tile(episode.query[label][i], data.width, "query");
    $(".mlc-verdict").textContent = verdict(episode, guesses);
    $(".mlc-answered").innerHTML = answered(episode, guesses, data.width);
    root.querySelectorAll(".mlc-answer").forEach((one) => one.setAttribute("aria-disabled", over));
    turnOff(root, { again: !guesses.length });
  };
  let drawn = "";
  const show = () => {
    const at = chosen(), episode = deal(data, read, at);
    if (model.get("guesses").length > episode.order.length) return; // of the kernel's two changes the second is on its way
    const hidden = model.get("hidden"), key = JSON.stringify(at);
    if (drawn !== key) {
      const before = labelsBefore(data, at);
      $(".mlc-rows").innerHTML = episode.support.map((_, label) => row(episode, label, before, data.width)).join("");
      $(".mlc-dealt").textContent = dealtAnew(before, at.number);
      $(".mlc-shapes").innerHTML = shapes(data, read(0, 0).length / data.width, at);
      showAnswers(episode);
      drawn = key;
    }
    Object.assign(root.dataset, { number: at.number, hidden, guesses: model.get("guesses").length });
    root.style.setProperty("--mlc-support", at.k_shot); // columns of drawings, for the style
    root.style.setProperty("--mlc-query", at.n_query);
    Object.keys(SIZES).forEach((size) => {
      const slider = $(`.mlc-${size.replace("_", "-")} input`);
      slider.value = at[size];
      slider.previousElementSibling.innerHTML = `<code>${size}</code> ${at[size]} ${SIZES[size]}`;
      slider.setAttribute("aria-valuetext", `${at[size]} ${SIZES[size]}`);
    });
    root.querySelectorAll(".mlc-labels input").forEach((input) => { input.checked = (input.value === "hidden") === hidden; });
    $(".mlc-looking").hidden = hidden;
    $(".mlc-guessing").hidden = !hidden;
    turnOff(root, { back: at.number === 0 });
    $(".mlc-count").textContent = `${at.number + 1} of ${episodes}`;
    showGame(episode, model.get("guesses"));
  };

  const guess = (label) => {
    const at = chosen(), guesses = model.get("guesses");
    if (guesses.length < at.n_way * at.n_query) set(model, { guesses: [...guesses, label] });
  };
  bind(root, model, { episodes, deals, guess });

  const ended = listen(model, ["number", "n_way", "k_shot", "n_query", "hidden", "guesses"], show);
  show();
  return ended;
}

export default { render({ model, el }) { return mount(el, model); } };
