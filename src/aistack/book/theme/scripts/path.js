// The reading path that the reader follows: what is next, and which chapters are not on it.
(() => {
  const select = document.querySelector("select.path");
  const stored = () => { try { return localStorage.getItem("aistack-path") || ""; } catch { return ""; } };
  const store = (path) => { try { localStorage.setItem("aistack-path", path); } catch { /* private window */ } };
  function follow(path) {
    const turns = [...document.querySelectorAll(".turn")];
    const chosen = turns.find((turn) => turn.dataset.path === path) || turns.find((turn) => !turn.dataset.path);
    for (const turn of turns) turn.hidden = turn !== chosen;
    for (const chapter of document.querySelectorAll("[data-readers]")) {
      chapter.classList.toggle("off-path", path !== "" && !chapter.dataset.readers.split(" ").includes(path));
    }
  }
  select.value = stored();
  select.hidden = false;
  select.addEventListener("change", () => { store(select.value); follow(select.value); });
  follow(select.value);
  document.addEventListener("aistack:changed", () => follow(select.value));
})();
