// How long studies are kept and where: rules, what they would do and have done, and the studies on legal hold.
import { ask, attempt, element, notice } from "./api.js";
import { sure } from "./dialogs.js";
import { row } from "./holds.js";
import { newest } from "./newest.js";
import { follow, isGood, told } from "./tasks.js";

const PAGE = 50;
const LOOK_EVERY_MS = 2000;
const part = (name) => document.getElementById(name);
const holds = part("holds");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (...inside) => element("span", { className: "sub" }, ...inside);
const number = (value) => value.toLocaleString("en");
const bytes = (value) => (value < 1e9 ? `${(value / 1e6).toFixed(1)} MB` : `${(value / 1e9).toFixed(1)} GB`);
const when = (seconds) => element("time", { dateTime: new Date(seconds * 1000).toISOString() }, new Date(seconds * 1000).toLocaleString());
const date = (text) => (/^\d{8}$/.test(text) ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : text || "none");
const open = (name, shown) => { part(name).closest(".sheet").hidden = !shown; };

const WORDS = {
  older_than_days: (days) => `older than ${number(days)} days`,
  used_days: (days) => `used in the last ${number(days)} days`,
  unused_days: (days) => `not used for ${number(days)} days`,
  arrived_days: (days) => `that came more than ${number(days)} days ago`,
  modalities: (list) => `of ${list.join(" or ")}`,
  labels: (list) => `labelled ${list.join(" or ")}`,
  source_ae_titles: (list) => `from ${list.join(" or ")}`,
  stations: (list) => `of station ${list.join(" or ")}`,
  when_full: () => "when the quota is nearly used up, used longest ago first",
};

const DOES = { keep: () => "keeps", delete: () => "deletes", move: (one) => `moves to ${one.to}` };

function rule(one) {
  const words = Object.entries(WORDS).filter(([name]) => one[name]).map(([name, say]) => say(one[name]));
  const goes = element("td", {}, "");
  goes.dataset.rule = one.name;
  return element("tr", {}, cell(element("strong", {}, one.name)), cell(DOES[one.action](one)), cell(words.join(", ")), goes);
}

function how(found) {
  const hours = found.hours.replace("-", " to ");
  const spared = found.spare_days ? ` What came or was looked at in the last ${number(found.spare_days)} days stays.` : "";
  const itself = found.automatic ? `They are carried out by themselves, every ${number(found.every_hours)} hours, from ${hours} o'clock.` : "They are carried out when somebody asks for it.";
  const quota = found.quota_bytes ? ` ${bytes(found.kept_bytes)} are kept, of a quota of ${bytes(found.quota_bytes)}.` : "";
  return `The first rule that fits a study decides. ${itself} ${number(found.studies_per_minute)} studies a minute are deleted or moved at most.${spared}${quota}`;
}

function run(one) {
  const stayed = [[one.held, "on hold"], [one.spared, "used lately"], [one.failed, "failed"]].filter(([count]) => count);
  return element("tr", {}, element("td", { className: "when" }, when(one.started_at)), cell(one.asked_by || "itself"),
    cell(element("span", { className: one.state === "done" && !one.failed ? "good" : "" }, one.state), one.error ? sub(one.error) : null),
    cell(number(one.looked)), cell(number(one.deleted), sub(bytes(one.deleted_bytes))), cell(number(one.moved), sub(bytes(one.moved_bytes))),
    cell(stayed.map(([count, why]) => `${number(count)} ${why}`).join(", ")));
}

function tier(one) {
  return element("tr", {}, cell(element("strong", {}, one.tier)), cell(number(one.studies)), cell(number(one.instances)), cell(bytes(one.size_bytes)),
    element("td", { className: "when" }, when(one.counted_at)));
}

async function showRules() {
  const found = await ask("/retention");
  const some = found.rules.length > 0, works = found.runs[0]?.state === "running";
  if (part("rules").rows.length !== found.rules.length) part("rules").replaceChildren(...found.rules.map(rule));
  open("rules", some);
  part("no-rules").hidden = some;
  part("how").textContent = some ? how(found) : "";
  part("plan").hidden = !some;
  part("run").hidden = !some || works;
  part("stop").hidden = !works;
  part("runs").replaceChildren(...found.runs.map(run));
  part("ran").hidden = !found.runs.length;
  part("tiers").replaceChildren(...found.tiers.map(tier));
  part("lies").hidden = !found.tiers.length;
  if (works) setTimeout(() => attempt(showRules), LOOK_EVERY_MS);
}

function study(one) {
  return element("tr", {}, element("td", { className: "uid" }, element("a", { href: `/studies/${one.study_instance_uid}` }, one.study_instance_uid), sub(one.patient_id)),
    cell(date(one.study_date)), element("td", { className: "when" }, when(one.used_at)), cell(number(one.instances)), cell(bytes(one.size_bytes)),
    cell(one.rule, one.stays ? sub(`stays: ${one.stays}`) : one.to ? sub(`to ${one.to}`) : null));
}

part("plan").addEventListener("click", () => attempt(async () => {
  const task = await follow(await ask("/retention/plan", { method: "POST" }));
  if (!isGood(task)) throw new Error(told(task));
  const { looked, rules, studies } = task.result;
  for (const one of rules) {
    const goes = [...part("rules").querySelectorAll("[data-rule]")].find(({ dataset }) => dataset.rule === one.name);
    const size = one.deleted_bytes + one.moved_bytes;
    goes?.replaceChildren(one.action === "keep" ? `${number(one.studies)} kept` : `${number(one.deleted + one.moved)} of ${number(one.studies)}`, size ? sub(bytes(size)) : "");
  }
  part("studies").replaceChildren(...studies.map(study));
  open("studies", studies.length > 0);
  const gone = rules.reduce((sum, one) => sum + one.deleted, 0), moved = rules.reduce((sum, one) => sum + one.moved, 0);
  part("plan-sum").textContent = `${number(gone)} of ${number(looked)} studies${moved ? `, and ${number(moved)} move to another tier` : ""}. ${studies.length ? `The first ${number(studies.length)} that a rule would delete or move:` : ""}`;
  part("planned").hidden = false;
  part("plan-title").focus();
}));
part("run").addEventListener("click", () => attempt(async () => {
  if (!await sure("Carry the rules out now?", "What they let go will be gone for good. This cannot be undone.", "Carry out", { keep: "Not now" })) return;
  await ask("/retention/run", { method: "POST" });
  notice("The rules are carried out.");
  await showRules();
}));
part("stop").addEventListener("click", () => attempt(async () => {
  await ask("/retention/stop", { method: "POST" });
  await showRules();
}));

const page = async (shown) => (await ask(`/holds?limit=${PAGE}&offset=${shown}`)).items;
const showHolds = newest({
  rows: holds, more: part("more-holds"), none: part("no-holds"), size: PAGE, page, key: () => holds.rows.length, row: (one) => row(one, showHolds),
});

attempt(showRules);
attempt(showHolds);
