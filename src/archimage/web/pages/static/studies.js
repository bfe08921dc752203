// The study list: searching while one types, sorting, paging, labels, keys.
import { ask, attempt, element, later, watchPictures } from "./api.js";

const TYPING_PAUSE_MS = 60;
const form = document.getElementById("search");
const query = document.getElementById("q");
const clear = document.getElementById("clear");
let running = null;

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

/** Show the list of an address; only the newest question is answered. */
async function show(target, { push = true } = {}) {
  running?.abort();
  const mine = (running = new AbortController());
  list().setAttribute("aria-busy", "true");
  const url = new URL(target, location.href);
  if (push) history.replaceState(null, "", url);
  clear.hidden = ![...url.searchParams.keys()].some((key) => key !== "sort" && key !== "page");
  await attempt(async () => {
    const part = new URL(url);
    part.searchParams.set("part", "list");
    const answer = await fetch(part, { signal: mine.signal });
    const text = await answer.text();
    if (mine.signal.aborted) return;
    const found = new DOMParser().parseFromString(text, "text/html");
    const fresh = found.getElementById("list") ?? found.querySelector(".empty");
    if (fresh.id !== "list") {
      fresh.querySelector(".button")?.remove();
      list().replaceChildren(document.adoptNode(fresh));
    } else list().replaceWith(document.adoptNode(fresh));
  });
  if (!mine.signal.aborted) list().removeAttribute("aria-busy");
}

/** Show the fields as an address has them. */
function fill(url) {
  for (const field of form.elements) {
    if (field.name) field.value = url.searchParams.get(field.name) ?? (field.name === "sort" ? "-study_date" : "");
  }
}

const search = () => show(address());
query.addEventListener("input", later(search, TYPING_PAUSE_MS));
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
    show(turn.href).then(() => turn.closest(".paging") && scrollTo({ top: 0 }));
    return;
  }
  const row = event.target.closest("tbody tr");
  if (event.target.matches(".remove")) change(row, event.target.dataset.label, "DELETE");
  else if (event.target.matches(".add")) enterLabel(row, event.target);
  else if (row && !event.target.closest("a, button, input") && !String(getSelection())) row.querySelector(".name").click();
});

/** Give or take a label. */
async function change(row, label, method) {
  const place = row.querySelector(".labels");
  const left = await attempt(() => ask(`/studies/${row.dataset.study}/labels/${encodeURIComponent(label)}`, { method }));
  if (!left) return;
  place.replaceChildren(...left.map(chip), adder(place.dataset.name));
  place.querySelector(".add").focus();
}

const chip = (label) =>
  element("span", { className: "label" },
    element("a", { href: `/?label=${encodeURIComponent(label)}`, dataset: { turn: "" } }, label),
    element("button", { type: "button", className: "remove", dataset: { label }, ariaLabel: `Remove label ${label}` }, "×"));
const adder = (name) => element("button", { type: "button", className: "add", ariaLabel: `Add a label to ${name}` }, "+ label");

/** Let somebody type a label. */
function enterLabel(row, button) {
  const input = element("input", { className: "entry", maxLength: 64, ariaLabel: "New label", placeholder: "label" });
  input.setAttribute("list", "labels");
  let over = false;
  const done = (focus) => {
    if (over) return; // taking the field away makes it lose the focus, which ends it too
    over = true;
    input.replaceWith(button);
    if (focus) button.focus();
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") done(true);
    if (event.key !== "Enter") return;
    const label = input.value.trim();
    done(true);
    if (label) change(row, label, "PUT");
  });
  input.addEventListener("blur", () => done(false));
  button.replaceWith(input);
  input.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, select, textarea");
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
