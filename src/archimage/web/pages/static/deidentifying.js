// De-identifying a study: for which project, what is kept, and what came of it.
import { ask, element } from "./api.js";
import { show } from "./dialogs.js";
import { box, chosen, fields, project } from "./profile.js";
import { follow, meter } from "./tasks.js";

const FACES = "clean-recognizable-visual-features";
const KEY = "archimage-project";

/** Let somebody have a study de-identified: as a copy here, or as an archive to download. */
export function deidentify(study) {
  const name = project("Project", { required: true, autofocus: true, value: sessionStorage.getItem(KEY) ?? "", placeholder: "its secret makes the pseudonyms" });
  const input = name.querySelector("input");
  const close = element("button", { type: "button", className: "button" }, "Close");
  const download = element("button", { type: "submit", className: "button", value: "download" }, "Download");
  const copy = element("button", { type: "submit", className: "button primary", value: "copy" }, "Make a copy");
  const course = element("div", { className: "course" });
  const { dialog, form } = show("De-identify this study",
    element("p", { className: "sub" }, "This study stays as it is. Whatever names somebody is taken out, pixels are searched for text, and what cannot be made safe is left out."),
    name, ...fields(), box(FACES, "Remove faces from heads in CT and MR; all that is no such image is left out"), course, element("div", { className: "answers" }, close, download, copy));
  close.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEY, input.value);
    const wanted = { project: input.value, options: chosen(form) };
    if (event.submitter?.value === "download") fetchArchive(study, wanted);
    else run(study, wanted, { copy, course });
  });
}

function fetchArchive(study, { project: name, options }) {
  const query = new URLSearchParams([["project", name], ...options.map((option) => ["option", option])]);
  element("a", { href: `/api/v1/studies/${study}/deidentified/archive?${query}`, download: `${name}.zip` }).click();
}

async function run(study, wanted, { copy, course }) {
  const { place, tell } = meter(`Copy for ${wanted.project}`);
  course.replaceChildren(place);
  copy.disabled = true;
  try {
    const task = await follow(await ask(`/studies/${study}/deidentified`, { method: "POST", body: wanted }), tell);
    const made = task.result?.study_instance_uid;
    if (made) course.append(element("p", {}, element("a", { href: `/studies/${made}` }, "Open the copy"), `, which has the label ${wanted.project}.`));
  } catch (error) {
    tell({ state: "failed", error: error.message });
  }
  copy.disabled = false;
}
