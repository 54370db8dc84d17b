// The search shows pieces of pages; formulas stand in them twice, once for pages without scripts.
addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  const toText = Search.htmlToText;
  Search.htmlToText = (html, anchor) => toText(html.replace(/<noscript>[^]*?<\/noscript>/g, ""), anchor);
});

// In the sidebar the theme's arrow at a chapter that has pages below it says nothing to those who cannot see it.
addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll(".bd-sidebar-primary summary")) {
    arrow.ariaLabel = `Pages of ${arrow.closest("li").querySelector("a").textContent}`;
  }
});

// What answers a prediction waits until the reader has answered, too. The extension course_book says what is a question
// and what its answer. Only here is anything closed: without scripts, and on paper, all of it can be read.
addEventListener("DOMContentLoaded", () => {
  const answers = []; // for each question the parts of its answer
  for (const part of document.querySelectorAll(".bd-article :is(.question, .answer)")) {
    if (part.classList.contains("question")) answers.push([]);
    else answers.at(-1)?.push(part);
  }
  const buttons = answers.filter((parts) => parts.length).map((parts, number) => {
    parts.forEach((part, place) => (part.id ||= `answer-${number + 1}-${place + 1}`));
    const button = waiting("I have answered");
    button.setAttribute("aria-controls", parts.map((part) => part.id).join(" "));
    button.open = (open) => {
      button.ariaExpanded = open;
      parts.forEach((part) => part.classList.toggle("waits", !open));
      dispatchEvent(new Event("resize")); // the theme then makes reachable by keyboard what scrolls in them
    };
    button.onclick = () => button.open(button.ariaExpanded === "false");
    button.open(false);
    parts[0].before(button);
    return button;
  });
  if (!buttons.length) return;
  const all = waiting("Show all answers of this page");
  all.classList.add("all");
  all.onclick = () => {
    buttons.forEach((button) => button.open(true));
    buttons[0].focus();
    all.remove();
  };
  buttons[0].after(all);
});

function waiting(words) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "answered";
  button.textContent = words;
  return button;
}

// Paper is light, whatever the screen is: code and widgets take their colours from the page's theme.
const page = document.documentElement;
let onScreen = page.dataset.theme;
addEventListener("beforeprint", () => {
  onScreen = page.dataset.theme;
  page.dataset.theme = "light";
});
addEventListener("afterprint", () => {
  page.dataset.theme = onScreen;
});
