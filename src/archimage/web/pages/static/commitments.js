// Storage commitment: who asked whom about which objects, and what came of it.
import { ask, attempt, element } from "./api.js";
import { newest } from "./newest.js";

const PAGE = 25;
const part = (name) => document.getElementById(name);
const rows = part("rows"), more = part("more");
const when = (seconds) => element("time", { dateTime: new Date(seconds * 1000).toISOString() }, new Date(seconds * 1000).toLocaleString());
const cell = (...inside) => element("td", {}, ...inside);
const sub = (...inside) => element("span", { className: "sub" }, ...inside);
const OVER = ["reported", "answered"];

function row(one) {
  const below = element("td", { colSpan: 5 });
  const details = element("tr", { className: "below", hidden: true }, below);
  const open = element("button", { type: "button", className: "button small", ariaExpanded: "false", ariaLabel: `Details of transaction ${one.id}` }, "Details");
  open.addEventListener("click", () => attempt(async () => {
    details.hidden = !details.hidden;
    open.setAttribute("aria-expanded", String(!details.hidden));
    if (!details.hidden) below.replaceChildren(...told(await ask(`/commitments/${one.id}`)));
  }));
  const good = OVER.includes(one.state) && !one.failed;
  const failed = one.failed ? element("span", { className: "bad" }, `${one.failed.toLocaleString("en")} not committed`) : one.verified_at ? "all committed" : "";
  return [element("tr", {}, element("td", { className: "when" }, when(one.created_at), sub(`no. ${one.id}`)),
    cell(element("strong", {}, one.ae_title), sub(one.direction)),
    cell(one.count.toLocaleString("en"), sub(failed)),
    cell(element("span", { className: good ? "good" : one.state === "refused" || one.note ? "bad" : "" }, one.state), one.note ? sub(one.note) : null),
    element("td", { className: "go" }, element("span", { className: "deeds" }, ...deeds(one), open))), details];
}

function deed(one, name, work) {
  const made = element("button", { type: "button", className: "button small", ariaLabel: `${name} transaction ${one.id}` }, name);
  made.addEventListener("click", () => attempt(async () => {
    await work();
    await show();
  }));
  return made;
}

function deeds(one) {
  if (one.direction !== "asked of us" || one.state === "verifying") return [];
  return [deed(one, "Tell again", () => ask(`/commitments/${one.id}/report`, { method: "POST" }))];
}

function told({ commitment, sop_instance_uids: uids, problems }) {
  const list = (items) => element("ul", { className: "problems" }, ...items);
  return [
    element("p", {}, "Transaction ", element("span", { className: "uid" }, commitment.transaction_uid)),
    commitment.retrieve_ae_title ? element("p", {}, `To be retrieved from ${commitment.retrieve_ae_title}.`) : null,
    problems.length ? list(problems.map((one) => element("li", {}, `${one.why} `, element("span", { className: "uid" }, one.sop_instance_uid)))) : null,
    element("details", {}, element("summary", {}, "Objects"), list(uids.map((uid) => element("li", { className: "uid" }, uid)))),
  ].filter(Boolean);
}

async function page(before) {
  const wanted = new URLSearchParams({ limit: PAGE });
  for (const name of ["direction", "state"]) if (part(name).value) wanted.set(name, part(name).value);
  if (before) wanted.set("before", before);
  return ask(`/commitments?${wanted}`);
}

const show = newest({ rows, more, none: part("none"), size: PAGE, page, key: (one) => one.id, row });

part("narrow").addEventListener("submit", (event) => event.preventDefault());
for (const name of ["direction", "state"]) part(name).addEventListener("change", () => attempt(show));
attempt(show);
