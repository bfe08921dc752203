// Objects without a patient: what they are, from whom they came; they are deleted here.
import { ask, attempt, element, notice } from "./api.js";
import { sure } from "./dialogs.js";

const PAGE = 50;
const part = (name) => document.getElementById(name);
const rows = part("rows"), more = part("more");
const cell = (...inside) => element("td", {}, ...inside);
const sub = (...inside) => element("span", { className: "sub" }, ...inside);

function row(one) {
  const remove = element("button", { type: "button", className: "button small", ariaLabel: `Delete ${one.title || one.sop_instance_uid}` }, "Delete");
  remove.addEventListener("click", () => attempt(async () => {
    if (!await sure("Delete the object?", "It is gone for good.", "Delete")) return;
    await ask(`/objects/${one.sop_instance_uid}`, { method: "DELETE" });
    notice("It is deleted.");
    await show();
  }));
  return element("tr", {}, cell(element("strong", {}, one.title || one.name), sub(one.name)),
    element("td", { className: "uid" }, one.sop_instance_uid),
    cell(`${Math.ceil(one.size_bytes / 1024).toLocaleString("en")} KiB`),
    cell(one.source_ae_title, sub(new Date(one.received_at * 1000).toLocaleString())),
    element("td", { className: "go" }, remove));
}

let last = 0;
function add(found) {
  rows.append(...found.map(row));
  last = found.at(-1)?.id ?? last;
  more.hidden = found.length < PAGE;
}

async function show() {
  const found = await ask(`/objects?limit=${PAGE}`);
  rows.replaceChildren();
  add(found);
  part("none").hidden = found.length > 0;
  rows.closest(".sheet").hidden = !found.length;
}

more.addEventListener("click", () => attempt(async () => add(await ask(`/objects?limit=${PAGE}&before=${last}`))));
attempt(show);
