// Sets light or dark before anything is painted, and lets the switch change it.
const KEY = "archimage-theme";
const root = document.documentElement;
const kept = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
const keep = (theme) => { try { localStorage.setItem(KEY, theme); } catch { /* private windows may refuse */ } };
if (kept()) root.dataset.theme = kept();

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("theme")?.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    keep(root.dataset.theme);
  });
});
