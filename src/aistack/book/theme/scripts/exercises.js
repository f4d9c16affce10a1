// Exercises with a number for an answer: the reader's is held against it here, and the solution stays folded.
(() => {
  // "1,024", "1.2e9" and "1 024" are numbers; a comma that groups nothing is not
  function read(text) {
    const plain = text.trim().replace(/[\s\u00a0_]/g, "").replace(/,(?=\d{3}(\D|$))/g, "").replace("×10^", "e");
    return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?%?$/i.test(plain) ? parseFloat(plain) : NaN;
  }
  function judge(given, wanted, tolerance) {
    if (Number.isNaN(given)) return "That is not a number yet: write it like 295 or 2.95e2.";
    const off = wanted === 0 ? Math.abs(given) : Math.abs(given / wanted - 1);
    if (off <= tolerance) return "Right.";
    const power = given > 0 && wanted > 0 ? Math.log10(given / wanted) : 0;
    if (Math.abs(power) > 0.5 && Math.abs(power - Math.round(power)) < 0.03) return `The digits are right, a power of ten is not: off by 10^${Math.round(power)}.`;
    return `Not yet: that is too ${given > wanted ? "large" : "small"}${off < 0.25 ? ", though close" : ""}.`;
  }
  function start(exercise) {
    const place = exercise.querySelector(".answer");
    if (!place || place.childElementCount) return;
    const form = document.createElement("form");
    form.className = "answer";
    form.innerHTML = '<label>Your answer <input type="text" inputmode="decimal" autocomplete="off" spellcheck="false"></label><span></span><button>Check</button><output aria-live="polite"></output>';
    form.querySelector("span").textContent = exercise.dataset.unit || "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const said = judge(read(form.querySelector("input").value), Number(exercise.dataset.answer), Number(exercise.dataset.tolerance || 0.02));
      form.querySelector("output").textContent = said;
    });
    place.replaceWith(form);
  }
  const all = () => document.querySelectorAll(".exercise[data-answer]").forEach(start);
  all();
  document.addEventListener("aistack:changed", all);
})();
