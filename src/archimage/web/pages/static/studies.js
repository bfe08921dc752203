// The study list: searching while one types, sorting, paging, keys.
import { attempt, later, watchPictures } from "./api.js";
import { onLabelClick } from "./labels.js";
import { listen, mark } from "./selection.js";

const COUNT_PAUSE_MS = 150, PICTURES_PAUSE_MS = 200, WITHIN_MS = 15000;
const form = document.getElementById("search");
const query = document.getElementById("q");
const clear = document.getElementById("clear");
let running = null, next = null;

const list = () => document.getElementById("list");
const rows = () => [...document.querySelectorAll("tbody tr")];

/** The address that the form stands for. */
function address() {
  const wanted = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value.trim() && !(name === "sort" && value === "-study_date")) wanted.set(name, value.trim());
  }
  return wanted.size ? `/?${wanted}` : "/";
}

async function part(name, url) {
  const wanted = new URL(url);
  wanted.searchParams.set("part", name);
  const answer = await fetch(wanted, { signal: AbortSignal.timeout(WITHIN_MS) }).catch(() => { throw new Error("The server does not answer. See whether it runs, and try again"); });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** Show the list of an address. One question is asked at a time; of those that come meanwhile the newest follows it. */
async function show(target, { push = true } = {}) {
  const url = new URL(target, location.href);
  if (push) history.replaceState(null, "", url);
  clear.hidden = ![...url.searchParams.keys()].some((key) => key !== "sort" && key !== "page");
  next = url;
  running ??= work();
  await running;
}

async function work() {
  list().setAttribute("aria-busy", "true");
  while (next) {
    const url = next;
    next = null;
    await attempt(async () => put(await part("list", url)));
  }
  list().removeAttribute("aria-busy");
  running = null;
  if ("uncounted" in list().dataset) total();
}

function put(found) {
  const fresh = found.getElementById("list") ?? found.querySelector(".empty");
  for (const picture of fresh?.querySelectorAll("img") ?? []) {
    picture.dataset.src = picture.getAttribute("src");
    picture.removeAttribute("src");
  }
  if (fresh?.id === "list") list().replaceWith(document.adoptNode(fresh));
  else if (fresh) {
    fresh.querySelector(".button")?.remove();
    list().replaceChildren(document.adoptNode(fresh));
  }
  mark();
  pictures();
}

/** Fetch the pictures once nobody types: those of lists that are gone at the next key would only stand in its way. */
const pictures = later(() => {
  for (const picture of document.querySelectorAll("img[data-src]")) {
    picture.src = picture.dataset.src;
    delete picture.dataset.src;
  }
}, PICTURES_PAUSE_MS);

/** Fill in how many there are, once nobody types. */
const total = later(async () => {
  const shown = list(), found = await part("totals", location.href).catch(() => null);
  if (!found || list() !== shown) return;
  for (const place of [".count", ".paging"]) {
    const fresh = found.querySelector(place);
    if (fresh) shown.querySelector(place)?.replaceWith(document.adoptNode(fresh));
  }
  delete shown.dataset.uncounted;
}, COUNT_PAUSE_MS);

/** Show the fields as an address has them. */
function fill(url) {
  for (const field of form.elements) {
    if (field.name) field.value = url.searchParams.get(field.name) ?? (field.name === "sort" ? "-study_date" : "");
  }
}

const search = () => show(address());
query.addEventListener("input", search);
form.addEventListener("change", (event) => event.target !== query && search());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
addEventListener("popstate", () => {
  fill(new URL(location.href));
  show(location.href, { push: false });
});

document.addEventListener("click", (event) => {
  const turn = event.target.closest("a[data-turn], #clear");
  if (turn && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    fill(new URL(turn.href));
    const column = turn.closest("th") && turn.textContent;
    show(turn.href).then(() => {
      if (turn.closest(".paging")) scrollTo({ top: 0 });
      if (column) [...document.querySelectorAll("th a")].find((one) => one.textContent === column)?.focus();
    });
    return;
  }
  onLabelClick(event);
  const row = event.target.closest("tbody tr");
  if (!row || event.target.closest("a, button, input") || String(getSelection())) return;
  const box = event.target.closest(".tick")?.querySelector("input");
  (box ?? row.querySelector(".name")).click();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (event.key === "/" && !typing) {
    event.preventDefault();
    query.focus();
    query.select();
  } else if (event.key === "Escape" && event.target === query && query.value) {
    query.value = "";
    search();
  } else if (["ArrowDown", "ArrowUp"].includes(event.key) && (!typing || event.target === query)) {
    step(event, event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "v" && !typing) {
    event.target.closest("tr")?.querySelector(".go a")?.click();
  } else if (event.key === "x" && !typing) {
    event.target.closest("tr")?.querySelector("[name=chosen]")?.click();
  }
});

/** Go to the next row or the one before; above the first stands the search. */
function step(event, by) {
  const all = rows();
  const here = all.indexOf(event.target.closest("tbody tr"));
  if (here < 0 && (by < 0 || !(event.target === query || event.target === document.body))) return;
  event.preventDefault();
  if (here + by < 0) query.focus();
  else all[here + by]?.querySelector(".name").focus();
}

watchPictures();
listen(() => show(location.href, { push: false }));
