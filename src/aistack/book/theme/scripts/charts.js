// Charts that can be pointed at and zoomed. The drawing in the page gives way when the reader asks; the library that
// draws (0.9 MB) loads then, and interprets its expressions, so that no text is ever run as code.
(() => {
  const root = document.documentElement;
  let roles, specs, loading, loaded;
  window.aistackCharts = (colours, given) => { roles = colours; specs = given; };

  const load = (address) => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
  const ready = () => {
    const own = `${root.dataset.root}charts/${root.dataset.chapter.replace(/\.html$/, "")}.js${"live" in root.dataset ? location.search : ""}`;
    // another scenario has other charts
    if (own !== loaded) loading = Promise.all([window.aistackVega || load(`${root.dataset.root}assets/vega.js`), load(own)]);
    loaded = own;
    return loading;
  };

  // the chart is written in the colours of paper; here it takes those that the page has now
  function coloured(spec) {
    const now = getComputedStyle(root);
    let text = JSON.stringify(spec);
    for (const [colour, role] of Object.entries(roles)) text = text.replaceAll(`"${colour}"`, JSON.stringify(now.getPropertyValue(role).trim()));
    return JSON.parse(text);
  }
  function zoomable(spec) {
    const quantities = (unit) => ["x", "y"].filter((axis) => unit.encoding?.[axis]?.type === "quantitative");
    const unit = spec.layer ? spec.layer.find((each) => quantities({ encoding: { ...spec.encoding, ...each.encoding } }).length) : spec.mark ? spec : null;
    if (unit && !spec.params && !unit.params) {
      const encodings = quantities({ encoding: { ...spec.encoding, ...unit.encoding } });
      if (encodings.length) unit.params = [{ name: "zoom", select: { type: "interval", encodings }, bind: "scales" }];
    }
    // what zooms is clipped to its axes; labels beside them must not be
    for (const each of spec.layer || []) {
      const mark = typeof each.mark === "string" ? { type: each.mark } : each.mark;
      if (mark?.type === "text") each.mark = { ...mark, clip: false };
    }
    return spec;
  }

  // "43202215451507.6" is 43.2 T; words stay as they are
  function readable(said) {
    const value = Number(said);
    if (String(said).trim() === "" || Number.isNaN(value)) return said;
    const power = Math.abs(value) < 1e4 ? 0 : Math.min(6, Math.floor(Math.log10(Math.abs(value)) / 3));
    return `${parseFloat((value / 1000 ** power).toPrecision(3))}${power ? "\u00a0" + "kMGTPE"[power - 1] : ""}`;
  }

  const tip = document.createElement("div");
  tip.className = "card tip";
  tip.hidden = true;
  function tell(_, event, __, value) {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    const rows = document.createElement("dl");
    for (const [name, said] of typeof value === "object" ? Object.entries(value) : [["", value]]) {
      const what = document.createElement("dt");
      const how = document.createElement("dd");
      what.textContent = name;
      how.textContent = readable(said);
      rows.append(what, how);
    }
    tip.replaceChildren(rows);
    tip.style.left = Math.min(event.pageX + 12, root.clientWidth - tip.offsetWidth - 12) + "px";
    tip.style.top = event.pageY + 16 + "px";
  }

  async function draw(figure, button) {
    const place = figure.querySelector(".drawing");
    button.disabled = true;
    try {
      await ready();
      const spec = zoomable(coloured(specs[figure.id]));
      spec.config.mark = { ...spec.config.mark, tooltip: { content: "encoding" } };
      if (!document.body.contains(tip)) document.body.append(tip);
      const still = place.querySelector("svg");
      const canvas = document.createElement("div");
      const drawn = await aistackVega(canvas, spec, { renderer: "svg", actions: false, ast: true, defaultStyle: false, tooltip: tell });
      const svg = canvas.querySelector("svg");
      for (const name of ["role", "aria-label"]) svg.setAttribute(name, still.getAttribute(name));
      place.replaceChildren(canvas);
      button.textContent = "Put it back";
      button.onclick = () => { drawn.finalize(); place.replaceChildren(still); offer(figure, button); };
    } catch {
      button.textContent = "The chart could not be loaded";
      return;
    }
    button.disabled = false;
  }
  function offer(figure, button) {
    button.textContent = "Explore this chart";
    button.onclick = () => draw(figure, button);
  }
  function start() {
    for (const label of (root.dataset.charts || "").split(" ")) {
      const figure = document.getElementById(label);
      if (!figure || figure.querySelector(".explore")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "explore";
      offer(figure, button);
      figure.querySelector(".source").after(button);
    }
  }
  start();
  document.addEventListener("aistack:changed", start);
})();
