// Uploading: files, folders and archives, a few at once, with what became of each.
import { ask, attempt, element, later } from "./api.js";

const AT_ONCE = 2, FILES = 25, BYTES = 24e6, MAX_ROWS = 300;
const FATES = { stored: "stored", replaced: "replaced", duplicate: "was here already", refused: "refused", ignored: "not DICOM, left out", accepted: "is unpacked" };
const drop = document.getElementById("drop"), rows = document.getElementById("rows");
const files = document.getElementById("files"), folder = document.getElementById("folder");
const queue = [], counts = {};
let total = 0, sent = 0, all = 0, known = 0, running = 0;

function add(list) {
  for (const file of list) {
    const name = file.webkitRelativePath || file.name;
    const line = rows.rows.length < MAX_ROWS ? row(name, file.size) : null;
    queue.push({ file, name, line });
    total += file.size;
    all += 1;
  }
  document.getElementById("outcome").hidden = !all;
  while (running < AT_ONCE && queue.length) run();
  tell();
}

function row(name, size) {
  const made = element("tr", {}, element("td", {}, name), element("td", { className: "amount" }, bytes(size)), element("td", {}, "waits"));
  rows.append(made);
  return made;
}

async function run() {
  running += 1;
  const batch = [];
  let size = 0;
  while (queue.length && batch.length < FILES && (!batch.length || size + queue[0].file.size <= BYTES)) {
    batch.push(queue.shift());
    size += batch.at(-1).file.size;
  }
  try {
    const told = await post(batch);
    // A name may stand for several files; each answer is taken once, in the order in which they were sent.
    told.files.forEach((one, at) => settle(batch[at], one));
  } catch (error) {
    for (const one of batch) settle(one, { fate: "refused", reason: error.message });
  }
  running -= 1;
  if (queue.length) run();
  tell();
}

function post(batch) {
  const form = new FormData();
  for (const { file, name, line } of batch) {
    form.append("file", file, name);
    line?.cells[2].replaceChildren(element("progress", { max: 1, value: 0, ariaLabel: `Progress of ${name}` }));
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let before = 0;
    request.upload.addEventListener("progress", ({ loaded }) => {
      sent += loaded - before;
      before = loaded;
      share(batch, loaded);
      tell();
    });
    request.addEventListener("load", () => {
      const told = JSON.parse(request.responseText || "{}");
      if (told.files) resolve(told);
      else reject(new Error([told.error, told.next].filter(Boolean).join(". ")));
    });
    request.addEventListener("error", () => reject(new Error("The connection broke. Upload these files again")));
    request.open("POST", "/api/v1/upload");
    request.send(form);
  });
}

/** Show how much of each file is with the server, of so many bytes of them all; they go one after the other. */
function share(batch, loaded) {
  let left = loaded;
  for (const { file, line } of batch) {
    const bar = line?.cells[2].querySelector("progress"), gone = Math.min(left, file.size);
    left -= gone;
    if (bar && gone < file.size) bar.value = gone / file.size;
    else if (bar) line.cells[2].textContent = "is being stored";
  }
}

function settle(one, { fate, reason, task, study_instance_uid: study }) {
  if (!one) return;
  known += 1;
  counts[fate] = (counts[fate] ?? 0) + 1;
  const bad = fate === "refused";
  const line = one.line ?? (bad ? row(one.name, one.file.size) : null);
  if (!line) return;
  line.cells[2].className = bad ? "bad" : "";
  line.cells[2].replaceChildren(study ? element("a", { href: `/studies/${study}` }, FATES[fate]) : FATES[fate] ?? fate, reason ? `: ${reason}` : "");
  if (task) follow(task, line.cells[2]);
}

/** Tell what becomes of an archive that is unpacked. */
async function follow(task, cell) {
  try {
    const told = await ask(`/tasks/${task}`);
    cell.textContent = [told.state === "running" ? "is unpacked" : told.state, told.message || told.error].filter(Boolean).join(": ");
    if (["queued", "running"].includes(told.state)) later(() => follow(task, cell), 700)();
  } catch (error) {
    cell.textContent = error.message;
  }
}

function tell() {
  document.getElementById("whole").value = running || queue.length ? Math.min(0.99, sent / Math.max(1, total)) : 1;
  const told = Object.entries(counts).map(([fate, count]) => `${count} ${FATES[fate] ?? fate}`).join(", ");
  document.getElementById("sum").textContent = `${known} of ${all} ${all === 1 ? "file" : "files"}, ${bytes(total)}${told ? `: ${told}` : ""}`;
}

const bytes = (size) => (size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`);

/** Every file below what was dropped. */
async function below(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), found = [];
  for (let some; (some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length;) found.push(...some);
  return (await Promise.all(found.map(below))).flat();
}

addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", (event) => !event.relatedTarget && drop.classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const dropped = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry() ?? item.getAsFile()).filter(Boolean);
  for (const one of dropped) await attempt(async () => add(one instanceof File ? [one] : await below(one)));
});
for (const [button, input] of [["choose-files", files], ["choose-folder", folder]]) {
  document.getElementById(button).addEventListener("click", () => input.click());
  input.addEventListener("change", () => { add(input.files); input.value = ""; });
}
