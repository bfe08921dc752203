// The switch between light and dark. The choice is a cookie, so that the server writes pages that begin as they stay.
const KEY = "archimage-theme", YEAR_S = 31536000;
const root = document.documentElement;

document.getElementById("theme")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `${KEY}=${root.dataset.theme}; path=/; max-age=${YEAR_S}; samesite=strict`;
});
