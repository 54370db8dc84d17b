// A deck in the browser: reveal.js, the room for widgets, and the light.

const page = document.documentElement;
const MOST = { widget: 2.2, text: 1.4 }; // how many times as large as it is laid out a thing may become
const WIDTHS = [1180, 1080, 980, 880, 780, 680]; // to choose from: a widget's parts stand beside each other or below

Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0,
  center: false,
  display: "flex",
  hash: true,
  slideNumber: "c/t",
  transition: "none",
  viewDistance: 1000, // every slide is laid out, so that its stage can be measured
  mobileViewDistance: 1000,
  pdfMaxPagesPerSlide: 1,
  plugins: [RevealNotes],
  keyboard: { 68: () => (page.dataset.theme = page.dataset.theme === "dark" ? "light" : "dark") }, // D
});

// A widget in use keeps its keys to itself. Escape gives them back, and what a presenter's remote control sends is for
// the deck.
const FOR_THE_DECK = { Escape: () => {}, PageDown: () => Reveal.next(), PageUp: () => Reveal.prev() };
const takeFromWidget = (event) => {
  if (!FOR_THE_DECK[event.key] || !document.activeElement.closest(".mlc")) return;
  event.stopPropagation();
  document.activeElement.blur();
  FOR_THE_DECK[event.key]();
};
addEventListener("keydown", takeFromWidget, true);

// ---- stages ----

function scaleOf(stage, thing, most) {
  return Math.min(stage.clientWidth / thing.offsetWidth, stage.clientHeight / thing.offsetHeight, most);
}

function fit(stage) {
  const thing = stage.firstElementChild;
  if (stage.classList.contains("text")) return void (thing.style.transform = `scale(${scaleOf(stage, thing, MOST.text)})`);
  const scales = WIDTHS.map((width) => {
    thing.style.width = `${width}px`;
    return scaleOf(stage, thing, MOST.widget);
  });
  const best = Math.max(...scales);
  const width = WIDTHS[scales.indexOf(best)];
  Object.assign(thing.style, { width: `${width}px`, transform: `scale(${best})`, left: `${(stage.clientWidth - best * width) / 2}px` });
  // In use a widget may grow, by a longer caption. It never grows out of its slide.
  new ResizeObserver(() => (thing.style.transform = `scale(${scaleOf(stage, thing, best)})`)).observe(thing);
}

Reveal.on("ready", () => {
  for (const stage of document.querySelectorAll(".stage:is(.widget, .text)")) {
    stage.dataset.preventSwipe = ""; // a finger on a widget is for the widget
    fit(stage);
  }
});

// ---- paper is light ----

let onScreen = page.dataset.theme;
addEventListener("beforeprint", () => {
  onScreen = page.dataset.theme;
  page.dataset.theme = "light";
});
addEventListener("afterprint", () => (page.dataset.theme = onScreen));
