// Diagrams that move: play, pause, step. Nothing moves until the reader asks.
(() => {
  function start(player) {
    if (player.dataset.ready) return;
    player.dataset.ready = "yes";
    const figure = player.closest("figure");
    const frames = [...figure.querySelectorAll(".drawing .frame")];
    const [caption, range, said, play] = [".caption", "input[type=range]", "output", "[data-play]"].map((each) => player.querySelector(each));
    let shown = Number(player.dataset.frame), timer;

    function show(number) {
      frames[shown].setAttribute("display", "none");
      shown = (number + frames.length) % frames.length;
      frames[shown].removeAttribute("display");
      caption.textContent = frames[shown].dataset.caption;
      range.value = shown + 1;
      said.textContent = `${shown + 1} of ${frames.length}`;
    }
    function pause() {
      clearInterval(timer);
      timer = undefined;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
      caption.setAttribute("aria-live", "polite");
    }
    function run() {
      // a screen reader would be flooded
      caption.setAttribute("aria-live", "off");
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      show(shown === frames.length - 1 ? 0 : shown + 1);
      timer = setInterval(() => { if (shown === frames.length - 1) pause(); else show(shown + 1); }, 1000 * Number(player.dataset.seconds));
    }
    play.addEventListener("click", () => (timer ? pause() : run()));
    for (const step of player.querySelectorAll("[data-step]")) {
      step.addEventListener("click", () => { pause(); show(shown + Number(step.dataset.step)); });
    }
    range.addEventListener("input", () => { pause(); show(Number(range.value) - 1); });
    player.querySelector(".controls").hidden = false;
  }
  const all = (within) => within.querySelectorAll(".player").forEach(start);
  all(document);
  document.addEventListener("aistack:changed", (event) => all(event.target));
})();
