// Studies that are chosen in the list, over its pages and searches, and what is done with all of them.
import { ask, attempt, element, notice } from "./api.js";
import { entered, sure } from "./dialogs.js";
import { setLabel, showLabels } from "./labels.js";
import { send } from "./sending.js";
import { compress, exportStudies, moveToTier, verify } from "./studywork.js";
import { follow, isGood, told } from "./tasks.js";

const NAMED = 8;
const MOST = 100;
const chosen = new Map();
const bar = document.getElementById("chosen");
const boxes = () => [...document.querySelectorAll("tbody [name=chosen]")];
const all = () => document.getElementById("all");
const rowOf = (uid) => document.querySelector(`tbody tr[data-study="${uid}"]`);
const studies = (number) => `${number} ${number === 1 ? "study" : "studies"}`;

/** Show in a list that has come anew which studies are chosen. */
export function mark() {
  const here = boxes();
  for (const box of here) {
    const row = box.closest("tr");
    box.checked = chosen.has(row.dataset.study);
    row.toggleAttribute("data-chosen", box.checked);
  }
  const ticked = here.filter((box) => box.checked).length;
  if (all()) Object.assign(all(), { checked: here.length > 0 && ticked === here.length, indeterminate: ticked > 0 && ticked < here.length });
  bar.hidden = !chosen.size;
  document.getElementById("chosen-told").textContent = `${studies(chosen.size)} chosen`;
}

function choose(box) {
  const row = box.closest("tr");
  if (box.checked) chosen.set(row.dataset.study, row.querySelector(".name").textContent);
  else chosen.delete(row.dataset.study);
}

document.addEventListener("change", ({ target }) => {
  if (target.matches("[name=chosen]")) choose(target);
  else if (target.id === "all") for (const box of boxes()) { box.checked = target.checked; choose(box); }
  else return;
  mark();
});

/** Do work for each that is chosen, one after the other; tell how many it went well with. */
async function each(work, did, refresh) {
  let done = 0;
  for (const [uid, name] of [...chosen]) {
    const went = await attempt(async () => {
      try { await work(uid); } catch (error) { throw new Error(`${name}: ${error.message}`); }
      return true;
    });
    if (!went) break; // what is wrong with one is wrong with most
    done += 1;
    refresh(uid);
  }
  if (done) notice(`${did} ${studies(done)}.`);
  mark();
}

const names = () => {
  const found = [...chosen.values()], more = found.length - NAMED;
  return element("ul", { className: "named" }, ...found.slice(0, NAMED).map((name) => element("li", {}, name)),
    more > 0 ? element("li", { className: "sub" }, `and ${more} more`) : null);
};

async function remove(reload) {
  const words = [names(), "They will be gone for good. This cannot be undone."];
  if (!await sure(`Delete ${studies(chosen.size)}?`, words, `Delete ${studies(chosen.size)}`, { keep: "Keep them" })) return;
  await each(async (uid) => {
    const gone = await ask(`/studies/${uid}`, { method: "DELETE" });
    if (!gone?.state) return;
    const task = await follow(gone);
    if (!isGood(task)) throw new Error(told(task));
  }, "Deleted", (uid) => chosen.delete(uid));
  reload();
}

async function label() {
  const name = await entered(`Label ${studies(chosen.size)}`, "Label", "Add", { maxLength: 64, list: "labels" });
  if (!name) return;
  const shown = new Map();
  await each(async (uid) => shown.set(uid, await setLabel(uid, name, "PUT")), `Labelled “${name}”:`, (uid) => {
    const place = rowOf(uid)?.querySelector(".labels");
    if (place) showLabels(place, shown.get(uid));
  });
}

/** Fetch all that is chosen as one archive; the server takes only so many studies at once. */
function download() {
  if (chosen.size > MOST) return notice(`At most ${MOST} studies are downloaded at once; ${chosen.size} are chosen. Export them instead.`, { bad: true });
  const link = element("a", { href: `/dicom-web/archive?StudyInstanceUID=${[...chosen.keys()]}`, download: "studies.zip", hidden: true });
  document.body.append(link);
  link.click();
  return link.remove();
}

/** Let the bar of what is chosen work; reload shows the list anew. */
export function listen(reload) {
  const deeds = {
    send: () => send(studies(chosen.size), { studies: [...chosen.keys()] }),
    label, download,
    export: () => exportStudies(studies(chosen.size), [...chosen.keys()]),
    verify: () => verify(studies(chosen.size), [...chosen.keys()]),
    compress: () => compress(studies(chosen.size), [...chosen.keys()]),
    tier: ({ tiers }) => moveToTier(studies(chosen.size), [...chosen.keys()], tiers.split(" ")),
    delete: () => remove(reload),
    none: () => { chosen.clear(); mark(); },
  };
  bar.addEventListener("click", ({ target }) => {
    const { dataset } = target.closest("[data-do]") ?? bar;
    deeds[dataset.do]?.(dataset);
  });
  mark();
}
