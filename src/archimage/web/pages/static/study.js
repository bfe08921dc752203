// A study's page: its tags, its labels, where else it can be opened, sending, de-identifying, correcting and deleting it.
import { ask, attempt, element, later, notice, watchPictures } from "./api.js";
import { change } from "./changing.js";
import { deidentify } from "./deidentifying.js";
import { sure } from "./dialogs.js";
import { place, release } from "./holds.js";
import { onLabelClick } from "./labels.js";
import { send } from "./sending.js";
import { share } from "./sharing.js";
import { checkSignatures } from "./signatures.js";
import { compress, exportStudies, moveToTier, verify } from "./studywork.js";
import { follow, isGood, told } from "./tasks.js";

const MAX_SHOWN = 400;
const home = document.querySelector(".study");
const study = home.dataset.study;
const choice = document.getElementById("instance");
const search = document.getElementById("tag-search");
const table = document.getElementById("tag-rows");
const images = (number) => `${number} ${Number(number) === 1 ? "image" : "images"}`;
const gone = "will be gone for good. This cannot be undone.";
let series = "";

/** Delete something; a large one is a task, and followed. Returns whether it is gone. */
async function remove(path) {
  const outcome = await ask(path, { method: "DELETE" });
  if (!outcome.state) return;
  notice("This takes a moment …");
  const task = await follow(outcome);
  if (!isGood(task)) throw new Error(told(task));
}

document.getElementById("delete").addEventListener("click", async () => {
  const words = `${home.dataset.told}: ${images(home.dataset.images)} ${gone}`;
  if (!await sure("Delete this study?", words, `Delete ${images(home.dataset.images)}`)) return;
  await attempt(async () => {
    await remove(`/studies/${study}`);
    location.assign("/");
  });
});
for (const id of ["check", "check-more"]) {
  document.getElementById(id).addEventListener("click", () => attempt(() => checkSignatures(study)));
}
document.getElementById("send").addEventListener("click", () => send("this study", { studies: [study] }));
document.getElementById("share")?.addEventListener("click", () => share(study));
document.getElementById("deidentify").addEventListener("click", () => deidentify(study));
for (const [id, does] of [["export", exportStudies], ["verify", verify], ["compress", compress]]) {
  document.getElementById(id)?.addEventListener("click", () => does("this study", [study]));
}
document.getElementById("tier")?.addEventListener("click", ({ currentTarget }) => moveToTier("this study", [study], currentTarget.dataset.tiers.split(" ")));
for (const [id, does] of [["hold", place], ["release", release]]) {
  document.getElementById(id)?.addEventListener("click", () => does(study, () => location.reload()));
}
document.addEventListener("click", onLabelClick);

const listen = (name, does) => {
  for (const button of document.querySelectorAll(`[data-${name}]`)) button.addEventListener("click", () => does(button.dataset));
};
listen("tags", ({ tags }) => attempt(() => choose(tags)));
listen("send", ({ send: uid, title }) => send(title, { series: [uid] }));
listen("delete", async ({ delete: uid, title, images: many }) => {
  if (!await sure("Delete this series?", `${title}: ${images(many)} ${gone}`, `Delete ${images(many)}`)) return;
  await attempt(async () => {
    await remove(`/studies/${study}/series/${uid}`);
    if (document.querySelectorAll(".strip").length > 1) location.reload();
    else location.assign("/");
  });
});

/** Show the tags of the first image of a series, and offer the others. */
async function choose(uid) {
  series = uid;
  choice.value = 1;
  await show();
  document.getElementById("tags").hidden = false;
  document.getElementById("tags-title").focus();
  document.getElementById("tags").scrollIntoView({ block: "start" });
}

async function show() {
  const at = Math.max(1, Math.trunc(Number(choice.value)) || 1);
  const page = await ask(`/studies/${study}/series/${series}/instances?limit=1&offset=${at - 1}`);
  const [one] = page.items;
  choice.max = page.total;
  document.getElementById("instances").textContent = `of ${page.total}`;
  if (!one) throw new Error(`There is no image ${at}: the series has ${page.total}`);
  Object.assign(document.getElementById("instance-file"), { href: `${one.address}?accept=application/dicom`, download: `${one.sop_instance_uid}.dcm` });
  const found = await ask(`/instances/${one.sop_instance_uid}/tags`);
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

listen("change", ({ change: kind }) => attempt(() => change(kind, study, () => location.reload())));

for (const menu of document.querySelectorAll(".menu")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target) || event.target.closest("a, button")) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

choice.addEventListener("input", later(() => attempt(show), 120));
search.addEventListener("input", later(filter, 40));
watchPictures();
