// Talks to the management API, and to DICOMweb where that is the root, and tells people what came of it.

/** What the server refused, in its words. */
export class Refused extends Error {
  constructor(told, status) {
    super([told.error, told.next].filter(Boolean).join(". "));
    this.status = status;
  }
}

/** Ask; returns what the server says, null where it says nothing. Throws Refused. */
export async function ask(path, { method = "GET", body, signal, root = "/api/v1" } = {}) {
  const options = { method, signal, headers: {} };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(`${root}${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ error: "The server does not answer", next: "See whether it runs, and try again" }, 0);
  }
  const text = await answer.text();
  const told = text && answer.headers.get("Content-Type")?.includes("json") ? JSON.parse(text) : null;
  if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (!answer.ok) throw new Refused(told ?? { error: answer.statusText }, answer.status);
  return told;
}

/** Show a line at the edge of the page for a while. */
export function notice(text, { bad = false } = {}) {
  const line = element("p", { className: bad ? "notice bad" : "notice" }, text);
  document.getElementById("notices").append(line);
  setTimeout(() => line.remove(), bad ? 12000 : 5000);
}

/** Do something; tell the reason where it fails. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") notice(error.message, { bad: true });
    return undefined;
  }
}

/** Make an element; what stands in it is text or elements, never markup. */
export function element(name, properties = {}, ...inside) {
  const made = document.createElement(name);
  const { dataset = {}, ...rest } = properties;
  for (const [key, value] of Object.entries(rest)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  Object.assign(made.dataset, dataset);
  made.append(...inside.filter((one) => one !== null && one !== undefined));
  return made;
}

/** Call work once nothing has happened for a while. */
export function later(work, delay) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), delay);
  };
}

/** Put something neutral where a picture cannot be had. */
export function watchPictures(root = document) {
  const mark = (picture) => picture.closest(".thumb, .shot")?.classList.add("blank");
  root.addEventListener("error", (event) => event.target instanceof HTMLImageElement && mark(event.target), true);
  for (const picture of root.querySelectorAll("img")) {
    if (picture.complete && picture.src && !picture.naturalWidth && picture.loading !== "lazy") mark(picture);
  }
}
