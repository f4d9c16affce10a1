// Light or dark: the reader's system decides, until the button does. Loaded before the page is drawn.
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("aistack-scheme"); } catch { return null; } };
  const store = (scheme) => { try { localStorage.setItem("aistack-scheme", scheme); } catch { /* private window */ } };
  if (stored()) root.dataset.scheme = stored();
  const isDark = () => (root.dataset.scheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector(".scheme");
    const say = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", isDark() ? "Light page" : "Dark page"); };
    button.addEventListener("click", () => { root.dataset.scheme = isDark() ? "light" : "dark"; store(root.dataset.scheme); say(); });
    button.hidden = false;
    say();
  });
})();
