// The view of "draw it once": cards with one drawing each, a paper for the one that is chosen, and what the network says
// of a new drawing. Everything is recognised here, by network.js; a kernel that listens gets the strokes.
// A drawing is a list of strokes, a stroke a list of points [x, y]: whole numbers from 0 to PAPER, y down.

import { between } from "../plot.js";
import { button, listen, set, turnOff, unique, widget } from "../controls.js";
import { inkOf } from "../images.js";
import { embed, logProbabilities, readNetwork } from "./network.js";
import { SIDE, render } from "./render.js";

const PAPER = 1000; // the paper's side
const NEW = -1; // model.selected when the new drawing is on the paper; else the number of a card
const FEWEST = 2, MOST = 5; // cards
const NEAR = 6; // a point nearer than this to the one before adds nothing
const DOT = 25; // a stroke that reaches no further than this is a dot: a finger trembles
const STEP = 25, FAR = 100; // how far an arrow key moves the pen, without and with Shift
const PEN_MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const percentOf = (share) => (share >= 0.995 ? "> 99 %" : share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);
const NUMBERS = ["no", "one", "two", "three", "four", "five"];
const nextOf = ({ cards, selected }) => cards.findIndex((strokes, i) => !strokes.length && i !== selected); // NEW if there is none
const titleOf = (which) => (which === NEW ? "new drawing" : `symbol ${which + 1}`);

// --- what the network says ---------------------------------------------------------------------------------

// An eye that remembers what it has seen: from a drawing to its image and its point.
function openEye(network) {
  const seen = new Map();
  return (strokes) => {
    const key = JSON.stringify(strokes);
    if (!seen.has(key)) {
      const image = render(strokes);
      seen.set(key, { image, point: embed(network, image) });
    }
    return seen.get(key);
  };
}

// For each card its probability, null for an empty one; nothing when there is nothing to compare.
function compare(look, cards, query) {
  const drawn = cards.map((_, i) => i).filter((i) => cards[i].length);
  if (!query.length || drawn.length < FEWEST) return [];
  const log = logProbabilities(look(query).point, drawn.map((i) => look(cards[i]).point)); // one drawing is its class's mean
  return cards.map((_, i) => (drawn.includes(i) ? Math.exp(log[drawn.indexOf(i)]) : null));
}

// --- in words ----------------------------------------------------------------------------------------------

function verdict({ cards, query, selected, shares, best }) {
  if (cards.filter((strokes) => strokes.length).length < FEWEST) return "Draw two symbols or more: then there is something to choose from.";
  if (!query.length) return `Nothing to recognise yet: ${selected === NEW ? "draw" : "choose “new drawing” and draw"} one of the symbols again.`;
  const empty = cards.flatMap((strokes, i) => (strokes.length ? [] : [titleOf(i)]));
  const left = empty.length ? ` Still empty, and left out: ${empty.join(", ")}.` : "";
  return `Of the ${NUMBERS[cards.length - empty.length]} symbols it looks most like ${titleOf(best)}: ${percentOf(shares[best])}.${left}`;
}

function whatNext({ cards, query, selected }) {
  if (selected === NEW) return query.length ? "Go on, or clear it and draw another." : "Draw one of the symbols again, or anything else.";
  return cards[selected].length ? "One drawing is all that the network gets to see of it." : "Draw it once.";
}

// --- what is seen ------------------------------------------------------------------------------------------

const lineOf = (stroke) => `<polyline points="${(stroke.length > 1 ? stroke : [stroke[0], stroke[0]]).join(" ")}"/>`;
const linesOf = (strokes) => strokes.map(lineOf).join("");
const small = (strokes) => `<svg class="drawn" viewBox="-40 -40 ${PAPER + 80} ${PAPER + 80}" aria-hidden="true">${linesOf(strokes)}</svg>`;

const cardOf = (which, group) => `<label class="mlc-card${which === NEW ? " mlc-new" : ""}"><input type="radio" name="${group}" value="${which}">
  <span class="mlc-title">${titleOf(which)}</span><span class="mlc-small"></span></label>`;

const barOf = (share, strokes, i, best) => `<li class="${i === best ? "mlc-best" : "mlc-other"}" data-share="${share ?? ""}">${small(strokes)}<span class="mlc-symbol">${titleOf(i)}</span>
  <span class="mlc-bar"><span style="width:${(100 * (share ?? 0)).toFixed(1)}%"></span></span><b>${
  !strokes.length ? "empty" : share === undefined ? "–" : percentOf(share)}</b></li>`;

const imageOf = (image) => `<svg viewBox="0 0 ${SIDE} ${SIDE}" role="img" aria-label="The image of ${SIDE} by ${SIDE} pixels that the network sees">${
  image ? inkOf(Array.from(image, (ink) => Math.round(15 * ink)), SIDE) : ""}</svg>`;

function page(network, accuracy) {
  const help = unique();
  return `<ol class="mlc-steps"><li><b>Start with empty cards, and draw each symbol once.</b> Those that you see are examples.</li>
    <li><b>Draw one of them again.</b> Choose “new drawing”: after every stroke the network says which symbol it is.</li></ol>
    <fieldset class="mlc-methods"><legend>What is on the paper</legend><div class="mlc-cards"></div></fieldset>
    <div class="mlc-controls mlc-rest">${button("empty mlc-main", "Start with empty cards")}${button("add", "Add a symbol")}${button("remove", "")}</div>
    <div class="mlc-sheets"><figure class="mlc-drawn"><figcaption><b class="mlc-what"></b> <span class="mlc-of"></span></figcaption>
    <svg class="paper" viewBox="0 0 ${PAPER} ${PAPER}" tabindex="0" role="application" aria-roledescription="paper" aria-describedby="${help}"><text x="${PAPER / 2}" y="${PAPER / 2}" text-anchor="middle">draw here</text>
      <g class="drawn"></g><g class="drawn fresh"></g><g class="pen"><circle r="30"/><path d="M-50 0H50M0 -50V50"/></g></svg>
    <div class="mlc-controls">${button("undo", "Undo")}${button("clear", "Clear")}${button("next mlc-main", "")}</div></figure>
    <div class="mlc-answer"><p class="mlc-caption" aria-live="polite"></p><ol class="mlc-bars" aria-label="Probability of each symbol"></ol>
    <div class="mlc-seen"><span class="mlc-eye"></span><p>What the network sees of the paper: ${SIDE} × ${SIDE} pixels, centred, one size, one pen.
      It makes ${network[0].outputs} numbers of them, a point. The symbol whose point is nearest wins.</p></div></div></div>
    <p class="mlc-note" id="${help}">With the keyboard: on the paper, arrow keys move the pen (with Shift further), Space puts it down and lifts it,
      Backspace takes back a stroke, Escape leaves the paper. <span class="mlc-pen" aria-live="polite"></span></p>
    <p class="mlc-note">This course meta-trained the network on letters of 28 handwritten alphabets and 80 rendered scripts, Latin and Greek
      among them. What you make up is new to it. There is no gradient step: your one drawing is the symbol’s prototype. The percentages share
      100 % among your symbols. They do not say that it is one of them: even a scribble gets its 100 %. How often it is right was
      measured on handwriting of 20 alphabets that it never met: in ${accuracy} % of the cases, with five symbols, each drawn once, and one of
      them drawn again by another hand.</p>`;
}

// --- the paper ---------------------------------------------------------------------------------------------

const distance = ([x, y], [u, v]) => Math.hypot(x - u, y - v);
const isDot = (stroke) => stroke.every((point) => distance(point, stroke[0]) <= DOT);

// A pen on an svg: `stroke` is what it draws, null while it is lifted. done(stroke) takes a finished one.
function penOn(svg, done) {
  const [fresh, mark] = [svg.querySelector(".fresh"), svg.querySelector(".pen")];
  const pen = { stroke: null, at: [PAPER / 2, PAPER / 2] };
  const show = () => {
    const { stroke, at } = pen;
    fresh.innerHTML = stroke ? lineOf(stroke) : "";
    svg.classList.toggle("drawing", stroke !== null);
    mark.setAttribute("transform", `translate(${at})`);
    mark.classList.toggle("down", stroke !== null);
  };
  show();
  return Object.assign(pen, {
    put(point) { // down
      pen.stroke = [point];
      pen.go(point);
    },
    go(point) {
      pen.at = point;
      if (pen.stroke && distance(point, pen.stroke.at(-1)) >= NEAR) pen.stroke.push(point);
      show();
    },
    drop() { // lifted, and what it drew is gone
      pen.stroke = null;
      show();
    },
    lift() {
      const { stroke } = pen;
      pen.drop();
      if (stroke) done(isDot(stroke) ? [stroke[0]] : stroke);
    },
  });
}

// Mouse, finger or stylus lead the pen, one at a time. Returns whether one does.
function leadByPointer(svg, pen) {
  let pointer = null;
  // Else a quick stroke of a finger counts as a fling, and Chromium drops the next tap as the one that stops it
  svg.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  const place = (event) => {
    const box = svg.getBoundingClientRect(), on = (value, length) => Math.round(between(0, (value / length) * PAPER, PAPER));
    return [on(event.clientX - box.left, box.width), on(event.clientY - box.top, box.height)];
  };
  svg.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    event.preventDefault(); // no text is selected, no page is scrolled
    pen.lift();
    svg.focus({ preventScroll: true });
    svg.setPointerCapture(event.pointerId);
    pointer = event.pointerId;
    pen.put(place(event));
  });
  svg.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    (all.length ? all : [event]).forEach((one) => pen.go(place(one)));
  });
  const end = () => {
    pointer = null;
    pen.lift();
  };
  ["pointerup", "pointercancel"].forEach((kind) => svg.addEventListener(kind, (event) => { if (event.pointerId === pointer) end(); }));
  svg.addEventListener("blur", end);
  return () => pointer !== null;
}

// Keys lead it. back() takes a stroke back, leave() gives the focus away, say(words) tells where the pen is.
function leadByKeys(svg, pen, busy, { back, leave, say }) {
  const keys = {
    " ": () => (pen.stroke ? pen.lift() : pen.put(pen.at)),
    Backspace: () => (pen.stroke ? pen.drop() : back()),
    Escape: () => {
      pen.lift();
      leave();
    },
  };
  svg.addEventListener("keydown", (event) => {
    const move = PEN_MOVES[event.key], far = event.shiftKey ? FAR : STEP;
    if (busy() || event.ctrlKey || event.metaKey || event.altKey || (!move && !keys[event.key])) return;
    event.preventDefault();
    if (move) pen.go(pen.at.map((value, axis) => between(0, value + far * move[axis], PAPER)));
    else keys[event.key]();
    const [across, down] = pen.at.map((value) => Math.round(value / 10));
    say(`The pen is ${pen.stroke ? "down" : "lifted"}, ${across} across and ${down} down, of 100.`);
  });
}

// --- the widget --------------------------------------------------------------------------------------------

// Buttons and cards. read() gives the state, redraw(drawing) puts another drawing on the paper.
function bind(root, model, { read, redraw, back }) {
  const onClick = (kind, act) => root.querySelector(`.mlc-${kind}`).addEventListener("click", () => act(read()));
  onClick("undo", back);
  onClick("clear", () => redraw([]));
  onClick("next", (state) => set(model, { selected: nextOf(state) }));
  onClick("add", ({ cards }) => { if (cards.length < MOST) set(model, { cards: [...cards, []], selected: cards.length }); });
  onClick("remove", ({ cards, selected }) => {
    if (cards.length > FEWEST) set(model, { selected: Math.min(selected, cards.length - 2), cards: cards.filter((_, i) => i !== selected) });
  });
  onClick("empty", ({ cards }) => set(model, { cards: cards.map(() => []), query: [], selected: 0 }));
  root.querySelector(".mlc-cards").addEventListener("change", (event) => set(model, { selected: Number(event.target.value) }));
  // On a phone the paper lies below the cards: who has pressed there is brought to it. Keys (detail 0) leave the page where it is.
  root.querySelectorAll(".mlc-cards, .mlc-empty").forEach((one) => one.addEventListener("click", (event) => {
    if (event.detail) root.querySelector(".paper").scrollIntoView({ block: "nearest" });
  }));
}

export function mount(el, model) {
  const network = readNetwork(model.get("network")), look = openEye(network), group = unique();
  const root = widget(el, "drawing", "Draw it once: a recogniser of your own symbols", page(network, model.get("accuracy")));
  const $ = (selector) => root.querySelector(selector);

  const read = () => {
    const [cards, query, selected] = ["cards", "query", "selected"].map((key) => model.get(key));
    const shares = compare(look, cards, query), best = shares.indexOf(Math.max(...shares));
    return { cards, query, selected, shares, best, drawing: selected === NEW ? query : cards[selected] };
  };
  // The drawing on the paper becomes this one.
  const redraw = (drawing) => {
    const { cards, selected } = read();
    set(model, selected === NEW ? { query: drawing } : { cards: cards.map((strokes, i) => (i === selected ? drawing : strokes)) });
  };

  const showCards = ({ cards, query, selected }) => {
    const wanted = [...cards.keys(), NEW], row = $(".mlc-cards");
    if (row.children.length !== wanted.length) row.innerHTML = wanted.map((which) => cardOf(which, group)).join("");
    wanted.forEach((which, i) => {
      row.children[i].querySelector("input").checked = which === selected;
      row.children[i].querySelector(".mlc-small").innerHTML = small(which === NEW ? query : cards[which]);
    });
  };
  const showButtons = (state) => {
    const { cards, selected, drawing } = state, blank = !drawing.length;
    turnOff(root, { undo: blank, clear: blank, add: cards.length === MOST, remove: cards.length === FEWEST });
    $(".mlc-next").hidden = $(".mlc-remove").hidden = selected === NEW;
    $(".mlc-remove").textContent = `Remove ${titleOf(selected)}`;
    $(".mlc-next").textContent = `Next: ${titleOf(nextOf(state))}`;
  };
  const show = () => {
    const state = read(), { cards, selected, shares, best, drawing } = state;
    if (selected >= cards.length) return; // one of two changes has arrived
    showCards(state);
    showButtons(state);
    $(".mlc-what").textContent = titleOf(selected);
    $(".mlc-of").textContent = whatNext(state);
    $(".paper").setAttribute("aria-label", `Paper for ${titleOf(selected)}: ${drawing.length} stroke${drawing.length === 1 ? "" : "s"}`);
    $(".paper .drawn").innerHTML = linesOf(drawing);
    $(".paper text").classList.toggle("gone", drawing.length > 0);
    $(".mlc-bars").innerHTML = cards.map((strokes, i) => barOf(shares[i], strokes, i, best)).join("");
    $(".mlc-caption").textContent = verdict(state);
    $(".mlc-eye").innerHTML = imageOf(drawing.length ? look(drawing).image : null);
    Object.assign(root.dataset, { cards: cards.length, selected, strokes: drawing.length, best });
  };

  const back = () => redraw(read().drawing.slice(0, -1));
  const paper = $(".paper"), pen = penOn(paper, (stroke) => redraw([...read().drawing, stroke]));
  leadByKeys(paper, pen, leadByPointer(paper, pen), {
    back,
    leave: () => $(".mlc-undo").focus(),
    say: (words) => { $(".mlc-pen").textContent = words; },
  });
  bind(root, model, { read, redraw, back });

  const ended = listen(model, ["cards", "query", "selected"], show);
  show();
  return ended;
}

export default { render({ model, el }) { return mount(el, model); } };
