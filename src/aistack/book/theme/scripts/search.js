// Full-text search in the browser. The sections of the book and MiniSearch are loaded when the reader first searches.
(() => {
  const root = document.documentElement.dataset.root;
  const form = document.querySelector(".search");
  const input = form.querySelector("input");
  const found = form.querySelector(".found");
  const page = document.querySelector(".hits");
  let index, loading, chosen = [];
  window.aistackSections = (sections) => { chosen = sections; };

  const load = (name) => new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = `${root}assets/${name}`;
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
  // "KV-cache" is found by "kv cache", and numbers keep their point
  const tokens = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+(?:\.\p{N}+)*/gu) || [];

  async function ready() {
    loading ||= Promise.all([load("minisearch.js"), load("sections.js")]).then(() => {
      index = new MiniSearch({
        fields: ["title", "heading", "text"],
        tokenize: tokens,
        searchOptions: {
          boost: { title: 2, heading: 4 },
          combineWith: "AND",
          prefix: (term) => term.length > 2,
          fuzzy: (term) => (term.length > 4 ? 0.2 : false),
        },
      });
      index.addAll(chosen.map((section, id) => ({ id, ...section })));
    });
    return loading;
  }

  function excerpt(text, terms, length) {
    const lower = text.toLowerCase();
    const places = terms.map((term) => lower.indexOf(term)).filter((place) => place >= 0);
    const first = places.length ? Math.min(...places) : 0;
    const from = first > length / 3 ? lower.indexOf(" ", first - length / 3) + 1 : 0;
    const end = from + length < text.length ? text.lastIndexOf(" ", from + length) : text.length;
    const piece = text.slice(from, end);
    const marked = document.createElement("span");
    marked.className = "hit-text";
    const pattern = terms.filter(Boolean).map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
    piece.split(pattern ? new RegExp(`(${pattern})`, "gi") : /$^/).forEach((part, number) => {
      if (number % 2) { const mark = document.createElement("mark"); mark.textContent = part; marked.append(mark); } else marked.append(part);
    });
    if (from) marked.prepend("… ");
    if (end < text.length) marked.append(" …");
    return marked;
  }

  // in the live edition the scenario goes along; the words searched for are no part of it
  function scenario() {
    const query = new URLSearchParams(location.search);
    query.delete("q");
    return `?${query}`.replace(/\?$/, "");
  }

  function list(hits, length) {
    const results = document.createElement("ol");
    for (const hit of hits) {
      const section = chosen[hit.id];
      const link = document.createElement("a");
      link.href = root + section.at.replace(/(?=#)|$/, "live" in document.documentElement.dataset ? scenario() : "");
      link.className = section.layer ? `layer-${section.layer}` : "";
      const where = document.createElement("span");
      where.className = "hit-where";
      where.textContent = section.heading ? section.title : section.kind;
      const title = document.createElement("span");
      title.className = "hit-title";
      title.textContent = section.heading || section.title;
      link.append(where, title, excerpt(section.text, Object.keys(hit.match), length));
      const item = document.createElement("li");
      item.append(link);
      results.append(item);
    }
    return results;
  }

  const nothing = (words) => {
    const said = document.createElement("p");
    said.textContent = `Nothing found for “${words}”. Fewer or other words may find it.`;
    return said;
  };

  async function search() {
    const words = input.value.trim();
    if (words.length < 2) { found.hidden = true; return; }
    await ready();
    if (words !== input.value.trim()) return;
    const hits = index.search(words).slice(0, 8);
    found.replaceChildren(hits.length ? list(hits, 140) : nothing(words));
    found.hidden = false;
  }

  input.addEventListener("focus", ready, { once: true });
  input.addEventListener("input", search);
  form.addEventListener("keydown", (event) => {
    const links = [...found.querySelectorAll("a")];
    const here = links.indexOf(document.activeElement);
    if (event.key === "Escape") { found.hidden = true; input.focus(); }
    if (found.hidden || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    const next = here + (event.key === "ArrowDown" ? 1 : -1);
    (links[next] || input).focus();
  });
  document.addEventListener("click", (event) => { if (!form.contains(event.target)) found.hidden = true; });
  form.addEventListener("focusout", (event) => { if (event.relatedTarget && !form.contains(event.relatedTarget)) found.hidden = true; });
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); input.focus(); }
  });

  const asked = new URLSearchParams(location.search).get("q");
  if (page && asked) {
    input.value = asked;
    ready().then(() => {
      const hits = index.search(asked).slice(0, 50);
      page.replaceChildren(hits.length ? list(hits, 320) : nothing(asked));
    });
  }
})();
