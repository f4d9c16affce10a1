// Demos: the page carries the answer to the first choice; others come from the demo's grid beside the page, or live.
(() => {
  const root = document.documentElement;
  const grids = {};
  window.aistackDemo = (page, name, grid) => { grids[`${page}/${name}`] = grid; };

  // a script element, since pages that are opened from disk may not fetch
  const load = (address) => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = done;
    script.onerror = () => failed(new Error(`${address} did not load`));
    document.head.append(script);
  });

  async function answer(demo, choice) {
    const { page, demo: name } = demo.dataset;
    if ("live" in root.dataset) {
      const query = new URLSearchParams(location.search);
      for (const [control, value] of choice) query.set(control, value);
      const response = await fetch(`/api/book/demo/${page}/${name}?${query}`);
      if (!response.ok) throw new Error(`The server answered ${response.status}`);
      return (await response.json()).html;
    }
    const key = `${page}/${name}`;
    if (!grids[key]) await load(`${root.dataset.root}demos/${key.replaceAll("/", "-")}.js`);
    return grids[key][choice.map(([, value]) => value).join("|")];
  }

  function start(demo) {
    const form = demo.querySelector(".controls");
    const shown = demo.querySelector(".shown");
    if (!form || !shown || demo.dataset.ready) return;
    demo.dataset.ready = "yes";
    let latest = 0;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", async () => {
      const asked = ++latest;
      const choice = [...form.querySelectorAll("[data-control]")].map((control) => [
        control.dataset.control,
        (control.matches("select") ? control : control.querySelector("select, :checked")).value,
      ]);
      shown.setAttribute("aria-busy", "true");
      let html;
      try { html = await answer(demo, choice); } catch (error) {
        if (asked === latest) { shown.textContent = `This choice could not be shown: ${error.message}.`; shown.removeAttribute("aria-busy"); }
        return;
      }
      if (asked !== latest) return;
      shown.innerHTML = html;
      shown.removeAttribute("aria-busy");
      shown.dispatchEvent(new CustomEvent("aistack:changed", { bubbles: true }));
    });
  }
  const all = () => document.querySelectorAll(".demo[data-demo]").forEach(start);
  all();
  document.addEventListener("aistack:changed", all);
})();
