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
