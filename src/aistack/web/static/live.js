// The live edition: a change of the scenario changes the page in place, and what it changed glows for a moment.
// Without this script the same forms and links load the page anew.
(() => {
  const LEAVES = "p, li, dt, dd, td, th, h1, h2, h3, h4, figcaption strong, .subtitle";
  let going, here = location.pathname + location.search;

  // what the page said before, by where it said it
  function said(main) {
    const places = new Map();
    const note = (key, element, text) => {
      const many = places.get(key)?.length || 0;
      if (!many) places.set(key, []);
      places.get(key).push([element, text]);
    };
    const within = (element) => element.closest("[id]")?.id || "";
    for (const number of main.querySelectorAll(".n")) note(`number ${number.dataset.name || within(number)}`, number, number.textContent);
    for (const drawing of main.querySelectorAll(".drawing")) note(`drawing ${within(drawing)}`, drawing, drawing.innerHTML);
    for (const cell of main.querySelectorAll("td")) if (!cell.querySelector(".n")) note(`cell ${within(cell)}`, cell, cell.textContent);
    return places;
  }
  // words without their numbers, which are compared by themselves
  function words(element) {
    const copy = element.cloneNode(true);
    for (const number of copy.querySelectorAll(".n, .katex")) number.textContent = "";
    return copy.textContent.replace(/\s+/g, " ").trim();
  }
  function glow(before, after) {
    const old = said(before);
    for (const [key, list] of said(after)) {
      list.forEach(([element, text], place) => { if (old.get(key)?.[place]?.[1] !== text) element.classList.add("changed"); });
    }
    const known = new Set([...before.querySelectorAll(LEAVES)].map(words));
    for (const leaf of after.querySelectorAll(LEAVES)) {
      if (!leaf.querySelector(LEAVES) && !leaf.closest("table, details, .drawing") && !known.has(words(leaf))) leaf.classList.add("changed");
    }
  }

  function take(next, selector) {
    const [now, then] = [document.querySelector(selector), next.querySelector(selector)];
    if (now && then) now.replaceWith(then);
    return then;
  }
  function swap(next) {
    const bar = document.querySelector(".scenario");
    const open = [...bar.querySelectorAll("details[open]")].map((each) => each.className);
    const focused = bar.contains(document.activeElement) && document.activeElement.name;
    const before = document.querySelector("main");
    for (const name of ["charts", "chapter"]) {
      document.documentElement.dataset[name] = next.documentElement.dataset[name] || "";
    }
    document.title = next.title;
    document.body.className = next.body.className;
    for (const selector of [".top nav", ".rail"]) take(next, selector);
    const made = take(next, ".scenario");
    for (const name of open) if (name !== "presets") made.querySelector(`details.${name}`)?.setAttribute("open", "");
    const after = take(next, "main");
    glow(before, after);
    start();
    if (focused) made.querySelector(`[name="${focused}"]`)?.focus({ preventScroll: true });
    after.dispatchEvent(new CustomEvent("aistack:changed", { bubbles: true }));
  }

  async function go(address, push) {
    going?.abort();
    const mine = going = new AbortController();
    const bar = document.querySelector(".scenario");
    const trouble = bar.querySelector(".trouble");
    trouble.textContent = "";
    bar.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(address, { headers: { accept: "text/html" }, signal: mine.signal });
      const next = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!response.ok) {
        trouble.textContent = [...next.querySelectorAll("main .said")].map((each) => each.textContent).join("\n") || `The server answered ${response.status}.`;
        return;
      }
      if (push) history.pushState(null, "", response.url);
      here = location.pathname + location.search;
      swap(next);
    } catch (error) {
      if (error.name !== "AbortError") trouble.textContent = `The page could not be made anew: ${error.message}. Is aistack open still running?`;
    } finally {
      if (going === mine) document.querySelector(".scenario").removeAttribute("aria-busy");
    }
  }

  function ask(form) {
    const address = new URL(form.getAttribute("action") || location.pathname, location.href);
    for (const [name, value] of new FormData(form)) if (String(value).trim()) address.searchParams.append(name, value);
    go(address, true);
  }
  function start() {
    document.querySelector(".scenario").classList.add("alive");
    // a page that says that it is not ready yet says when to look again
    const again = document.querySelector("main [data-again]");
    if (again) setTimeout(() => { if (again.isConnected) go(location.href, false); }, 1000 * Number(again.dataset.again));
  }
  const form = (event) => event.target instanceof Element && event.target.closest("form.scenario, form[data-in-place]");

  document.addEventListener("submit", (event) => {
    if (!form(event)) return;
    event.preventDefault();
    ask(form(event));
  });
  document.addEventListener("change", (event) => { if (form(event)?.matches(".scenario")) ask(form(event)); });
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest(".scenario a, a[data-in-place]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      link.closest("details")?.removeAttribute("open");
      go(new URL(link.getAttribute("href"), location.href), true);
    }
    // what unfolds from the bar folds again when the reader goes elsewhere
    for (const each of document.querySelectorAll(".scenario details[open]")) if (!each.contains(event.target)) each.removeAttribute("open");
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && event.target instanceof Element && event.target.closest(".scenario details[open]");
    if (open) { open.removeAttribute("open"); open.querySelector("summary").focus(); }
  });
  addEventListener("popstate", () => { if (location.pathname + location.search !== here) go(location.href, false); });
  start();
})();
