// A study's page: its tags, where else it can be opened, and deleting it.
import { ask, attempt, element, later, watchPictures } from "./api.js";

const study = document.querySelector(".study").dataset.study;
const sure = document.getElementById("sure");
const choice = document.getElementById("instance");
const search = document.getElementById("tag-search");
const table = document.getElementById("tag-rows");
const MAX_SHOWN = 400;

document.getElementById("delete").addEventListener("click", () => sure.showModal());
sure.addEventListener("close", async () => {
  if (sure.returnValue !== "yes") return;
  const gone = await attempt(() => ask(`/studies/${study}`, { method: "DELETE" }));
  if (gone) location.assign("/");
});

for (const button of document.querySelectorAll("[data-tags]")) {
  button.addEventListener("click", () => attempt(() => choose(button.dataset.tags)));
}

/** Offer the instances of a series, and show the tags of the first. */
async function choose(series) {
  const found = await ask(`/studies/${study}/series/${series}/instances?limit=1000`);
  choice.replaceChildren(
    ...found.items.map((one, at) => element("option", { value: one.sop_instance_uid }, one.instance_number || `${at + 1}`)),
  );
  document.getElementById("tags").hidden = false;
  document.getElementById("tags-title").focus();
  document.getElementById("tags").scrollIntoView({ block: "start" });
  await show();
}

async function show() {
  const found = await ask(`/instances/${choice.value}/tags`);
  table.replaceChildren(...rows(found.elements, 0));
  filter();
}

function* rows(elements, depth) {
  for (const one of elements) {
    yield row(one, depth);
    for (const [at, item] of one.items.entries()) {
      yield element("tr", { className: "item" }, indented(depth + 1, `Item ${at + 1}`), element("td"), element("td"), element("td"));
      yield* rows(item, depth + 1);
    }
  }
}

function row(one, depth) {
  const text = written(one);
  const value = element("td", { title: text.length > MAX_SHOWN ? text.slice(0, 4000) : "" },
    text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
  const made = element("tr", {}, indented(depth, spelled(one.tag)), element("td", {}, one.name || one.keyword || "Private"),
    element("td", {}, one.vr), value);
  made.dataset.text = `${one.tag} ${spelled(one.tag)} ${one.keyword} ${one.name} ${text}`.toLowerCase();
  return made;
}

const spelled = (tag) => `(${tag.slice(0, 4)},${tag.slice(4)})`;

function indented(depth, text) {
  const cell = element("td", { className: "mono deep" }, text);
  cell.style.setProperty("--depth", depth);
  return cell;
}

function written(one) {
  if (one.items.length) return `${one.items.length} ${one.items.length === 1 ? "item" : "items"}`;
  if (one.bulk_data) return "binary";
  return one.values.map((value) => value ?? "").join(" \\ ");
}

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const line of table.rows) {
    const fits = line.classList.contains("item") ? !words.length : words.every((word) => line.dataset.text.includes(word));
    line.hidden = !fits;
    shown += fits && !line.classList.contains("item");
  }
  document.getElementById("tag-count").textContent = `${shown} ${shown === 1 ? "element" : "elements"}`;
}

const menu = document.querySelector(".menu");
document.addEventListener("click", (event) => {
  if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false;
});
menu.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

choice.addEventListener("change", () => attempt(show));
search.addEventListener("input", later(filter, 40));
watchPictures();
