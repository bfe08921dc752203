// What takes a while with whole studies: exporting, verifying, compressing and moving them, as jobs that outlast this page.
import { ask, attempt, element } from "./api.js";
import { show } from "./dialogs.js";
import { follow, meter } from "./tasks.js";

const FORMS = [["htj2k-lossless", "HTJ2K"], ["jpeg-ls-lossless", "JPEG-LS"], ["jpeg-2000-lossless", "JPEG 2000"], ["jpeg-lossless", "JPEG lossless"],
  ["rle-lossless", "RLE"], ["jpeg-xl-lossless", "JPEG XL"]];

/** Explain a job, begin it once somebody says so, and tell how it goes; body returns what is asked for. */
function offer(title, words, deed, path, body, ...fields) {
  const close = element("button", { type: "button", className: "button" }, "Close");
  const begin = element("button", { type: "submit", className: "button primary", autofocus: true }, deed);
  const cancel = element("button", { type: "button", className: "button danger", hidden: true }, "Cancel the job");
  const course = element("div", { className: "course" });
  const { dialog, form } = show(title, element("p", {}, words), ...fields, course, element("div", { className: "answers" }, close, cancel, begin));
  close.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run(title, path, body(), { begin, cancel, course });
  });
}

async function run(title, path, body, { begin, cancel, course }) {
  const { place, tell } = meter(title);
  course.replaceChildren(place);
  begin.disabled = true;
  try {
    const task = await ask(path, { method: "POST", body });
    cancel.hidden = false;
    cancel.onclick = () => attempt(() => ask(`/tasks/${task.id}/cancel`, { method: "POST" }));
    await follow(task, tell);
  } catch (error) {
    tell({ state: "failed", error: error.message });
  }
  cancel.hidden = true;
  begin.disabled = false;
}

/** Have studies written into an archive that can be downloaded later. */
export function exportStudies(what, studies) {
  offer(`Export ${what}`, "They are written into one ZIP archive, by the server, whether this page stays open or not. Once that is done it can be downloaded here and under Activity, for some days.",
    "Export", "/jobs/export", () => ({ studies }));
}

/** Have studies read again, and compared with what came; without any, all that is stored. */
export function verify(what, studies) {
  offer(`Verify ${what}`, "Every image is read again and compared with what came. What is damaged is mended where the archive has a second copy, and named here.",
    "Verify", "/jobs/verify", () => (studies ? { studies } : { all: true }));
}

/** Have studies compressed that are stored already. */
export function compress(what, studies) {
  const choice = element("select", {}, ...FORMS.map(([value, name]) => element("option", { value }, name)));
  offer(`Compress ${what}`, "Nothing is lost: every image is compared with what was stored before it takes its place. What does not become smaller stays as it is.",
    "Compress", "/jobs/compress", () => ({ studies, to: choice.value }), element("label", { className: "field" }, "To ", choice));
}

/** Have studies moved to one of some tiers. */
export function moveToTier(what, studies, tiers) {
  const choice = element("select", {}, ...tiers.map((name) => element("option", { value: name }, name)));
  offer(`Move ${what} to a tier`, "Every image is copied, read back and compared before it lies there. It is found and shown as before; rules may move it again, and nothing is begun while they are carried out.",
    "Move", "/jobs/tier", () => ({ studies, to: choice.value }), element("label", { className: "field" }, "Tier ", choice));
}
