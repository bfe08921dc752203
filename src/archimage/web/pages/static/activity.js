// What goes on: associations, tasks, and events as they happen.
import { ask, attempt, element } from "./api.js";
import { sure } from "./dialogs.js";
import { download, isGood, problems, told as outcome } from "./tasks.js";

const EVERY_MS = 2000, MAX_EVENTS = 200;
const body = (name) => document.getElementById(name);
const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
const bytes = (size) => (size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`);
const age = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);
const short = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);
const PARTS = { receive_s: "receiving", wait_s: "waiting", sync_s: "flush", index_s: "index", send_s: "sending" }, MAX_ENDED = 10;
const nothing = (width, text) => element("tr", {}, element("td", { colSpan: width, className: "sub" }, text));
const row = (...cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));

function button(text, name, work) {
  const made = element("button", { type: "button", className: "button small", ariaLabel: name }, text);
  made.addEventListener("click", () => attempt(async () => { await work(); await show(); }));
  return made;
}

async function abort(one) {
  const words = `What ${one.calling_ae_title} has stored so far stays; what it is sending now is lost, and it has to send that again.`;
  if (await sure("Abort the association?", words, "Abort", { keep: "Leave it" })) await ask(`/associations/${one.id}`, { method: "DELETE" });
}

/** How far a task is, and what came of it. */
function course(one) {
  const words = element("span", { className: one.state === "failed" || (one.state === "done" && !isGood(one)) ? "bad" : "" }, outcome(one));
  const going = one.state === "running" && one.total;
  const bar = going ? element("progress", { max: one.total, value: one.done, ariaLabel: `Progress of ${one.title}` }) : null;
  return element("div", { className: "course" }, bar, words, problems(one), download(one));
}

/** Where the time of an association went, the longest first. */
function spent(timing) {
  const parts = Object.entries(PARTS).map(([part, words]) => [timing[part], words]).filter(([seconds]) => seconds >= 0.0005);
  return parts.sort(([one], [other]) => other - one).map(([seconds, words]) => `${words} ${short(seconds)}`).join(", ") || "nothing to speak of";
}

async function show() {
  const [associations, ended, tasks] = await Promise.all([ask("/associations"), ask("/associations/ended"), ask("/tasks")]);
  body("ended").replaceChildren(...(ended.length ? ended.slice(0, MAX_ENDED).map((one) => row(
    `${one.calling_ae_title} at ${one.address}${one.reason ? `: ${one.reason}` : ""}`, short(one.duration_s),
    `${bytes(one.received_bytes)} / ${bytes(one.sent_bytes)}`, String(one.operations), spent(one.timing),
  )) : [nothing(5, "None since the server started.")]));
  body("associations").replaceChildren(...(associations.length ? associations.map((one) => row(
    `${one.calling_ae_title} at ${one.address}`, age(one.age_s), `${bytes(one.received_bytes)} / ${bytes(one.sent_bytes)}`,
    one.last_operation ? `${one.last_operation}, ${count(one.operations, "operation")}` : "none yet",
    button("Abort", `Abort the association of ${one.calling_ae_title}`, () => abort(one)),
  )) : [nothing(5, "Nobody has an association with this archive.")]));
  body("tasks").replaceChildren(...(tasks.length ? tasks.map((one) => row(
    one.title, one.state, course(one),
    ["queued", "running"].includes(one.state) ? button("Cancel", `Cancel ${one.title}`, () => ask(`/tasks/${one.id}/cancel`, { method: "POST" })) : "",
  )) : [nothing(4, "No task since the server started.")]));
}

const study = (uid) => element("a", { href: `/studies/${uid}` }, "study");
const told = {
  "study-grew": (one) => ["A ", study(one.study_instance_uid), ` got ${count(one.instances, "image")}, ${bytes(one.size_bytes)}, from ${one.source_ae_title || "the web"}`],
  "instance-refused": (one) => [`An object of ${one.source_ae_title || "the web"} was refused: ${one.reason}`],
  "study-removed": (one) => [`A study of ${count(one.instances, "image")} was deleted`],
  "series-removed": (one) => [`A series of ${count(one.instances, "image")} was deleted from a `, study(one.study_instance_uid)],
  "instance-removed": (one) => ["An image was deleted from a ", study(one.study_instance_uid)],
  "labels-changed": (one) => ["A ", study(one.study_instance_uid), one.labels.length ? ` has the labels ${one.labels.join(", ")}` : " has no labels any more"],
  "hold-changed": (one) => ["A ", study(one.study_instance_uid), one.held ? " was placed on legal hold" : " was released from legal hold"],
  "task-changed": ({ task }) => [`${task.title}: ${[task.state, task.message, task.error].filter(Boolean).join(", ")}`],
  "association-opened": (one) => [`${one.calling_ae_title} at ${one.address} opened an association`],
  "association-closed": (one) => [`The association of ${one.calling_ae_title} ended${one.reason ? `: ${one.reason}` : ""}`],
  "association-refused": (one) => [`${one.calling_ae_title} at ${one.address} was refused: ${one.reason}`],
  "node-changed": (one) => [`The node ${one.ae_title} was ${one.removed ? "removed" : "entered or changed"}`],
  lost: () => ["Some events were missed"],
};
const source = new EventSource("/api/v1/events");
for (const [name, say] of Object.entries(told)) {
  source.addEventListener(name, ({ data }) => {
    const one = JSON.parse(data), list = body("events");
    if (list.querySelector("[colspan]")) list.replaceChildren();
    const cell = element("td", {}, ...say(one));
    list.prepend(element("tr", {}, element("td", { className: "when" }, new Date(one.time ? one.time * 1000 : Date.now()).toLocaleTimeString()), cell));
    if (list.rows.length > MAX_EVENTS) list.lastElementChild.remove();
  });
}
body("events").append(nothing(2, "Nothing has happened since this page was opened."));
setInterval(() => !document.hidden && show().catch(() => {}), EVERY_MS);
attempt(show);
