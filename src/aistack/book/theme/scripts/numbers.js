// A number's card: value, mark, interval, basis, formula and source, on hover, focus or tap; Escape closes it.
(() => {
  const MARKS = { measured: "measured", derived: "derived", assumed: "assumed", stated: "stated by its maker or a paper" };
  const ROWS = [["range", "Interval"], ["basis", "Basis"], ["formula", "Formula"], ["source", "Source"]];
  let card, current, timer;

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  };

  function fill(number) {
    const mark = Object.keys(MARKS).find((name) => number.classList.contains("n-" + name));
    const rows = element("dl");
    for (const [key, label] of ROWS) {
      if (number.dataset[key]) rows.append(element("dt", "", label), element("dd", "", number.dataset[key]));
    }
    card.replaceChildren(
      element("p", "value", number.dataset.value || number.textContent),
      element("p", "sign sign-" + mark, MARKS[mark]),
      rows,
    );
  }

  function place(number) {
    const box = number.getClientRects()[0];
    const wide = document.documentElement.clientWidth;
    card.hidden = false;
    const left = Math.max(16, Math.min(box.left, wide - card.offsetWidth - 16));
    const above = box.bottom + card.offsetHeight + 12 > innerHeight && box.top > card.offsetHeight + 12;
    card.style.left = left + scrollX + "px";
    card.style.top = (above ? box.top - card.offsetHeight - 8 : box.bottom + 8) + scrollY + "px";
  }

  function show(number) {
    clearTimeout(timer);
    if (number === current) return;
    hide();
    if (!card) {
      card = element("div", "card");
      card.id = "card";
      card.setAttribute("role", "tooltip");
      card.addEventListener("pointerenter", () => clearTimeout(timer));
      card.addEventListener("pointerleave", later);
      document.body.append(card);
    }
    current = number;
    fill(number);
    place(number);
    number.setAttribute("aria-expanded", "true");
    number.setAttribute("aria-describedby", "card");
  }

  function hide() {
    clearTimeout(timer);
    if (!current) return;
    current.setAttribute("aria-expanded", "false");
    current.removeAttribute("aria-describedby");
    current = undefined;
    card.hidden = true;
  }

  const later = () => { clearTimeout(timer); timer = setTimeout(hide, 200); };
  const numberOf = (event) => event.target instanceof Element && event.target.closest(".n[data-value]");

  // one listener for all, so that numbers which a demo or the live edition brings are heard too
  document.addEventListener("pointerover", (event) => {
    const number = event.pointerType === "mouse" && numberOf(event);
    if (number) { clearTimeout(timer); timer = setTimeout(() => show(number), current ? 0 : 120); }
  });
  document.addEventListener("pointerout", (event) => { if (event.pointerType === "mouse" && numberOf(event)) later(); });
  document.addEventListener("focusin", (event) => { const number = numberOf(event); if (number) show(number); else hide(); });
  document.addEventListener("focusout", (event) => { if (numberOf(event)) later(); });
  document.addEventListener("click", (event) => {
    const number = numberOf(event);
    if (number) show(number); else if (!card || !card.contains(event.target)) hide();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const number = numberOf(event);
    if (number && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); if (number === current) hide(); else show(number); }
  });
})();
