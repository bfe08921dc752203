// Users: entered, changed and removed; and every token, share and session.
import { ask, attempt, element, notice } from "./api.js";
import { show as dialog, sure } from "./dialogs.js";
import { button, list } from "./proofs.js";

const rows = document.getElementById("rows"), form = document.getElementById("new");
const place = (user) => `/users/${encodeURIComponent(user.name)}`;
const listed = (text) => text.split(",").map((one) => one.trim()).filter(Boolean);
const proof = (user) => (user.has_password ? "password" : user.by_name ? "name alone" : "tokens");

async function show() {
  const users = await ask("/users");
  rows.replaceChildren(...users.map(row));
  document.getElementById("none").hidden = users.length > 0;
  rows.closest(".sheet").hidden = !users.length;
  await Promise.all(["tokens", "shares", "sessions"].map((kind) => list(kind, "", true)));
}

function row(user) {
  return element("tr", {},
    element("td", { className: "mono" }, user.name, user.disabled ? element("span", { className: "badge" }, "disabled") : null),
    element("td", {}, user.roles.join(", ")), element("td", {}, proof(user)), element("td", {}, user.description),
    element("td", { className: "go" }, element("span", { className: "deeds" }, button("Edit", user.name, () => edit(user)), button("Remove", user.name, () => remove(user), "danger"))));
}

async function remove(user) {
  if (!await sure(`Remove ${user.name}?`, "The sessions, API tokens and shares of this user go too.", "Remove")) return;
  await ask(place(user), { method: "DELETE" });
  await show();
}

const field = (name, properties) => element("label", { className: "field" }, `${name} `, element("input", { spellcheck: false, autocomplete: "off", ...properties }));

function edit(user) {
  const told = element("p", { className: "bad", role: "alert" });
  const close = element("button", { type: "button", className: "button" }, "Cancel");
  const { dialog: opened, form: fields } = dialog(`Change ${user.name}`,
    field("Roles", { name: "roles", value: user.roles.join(", ") }),
    field("Description", { name: "description", maxLength: 200, value: user.description }),
    field("Another password", { name: "password", type: "password", maxLength: 1024, autocomplete: "new-password", placeholder: "as it is" }),
    element("label", { className: "check" }, element("input", { name: "disabled", type: "checkbox", checked: user.disabled }), "Disabled"), told,
    element("div", { className: "answers" }, close, element("button", { type: "submit", className: "button primary" }, "Save")));
  close.addEventListener("click", () => opened.close());
  fields.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { roles, description, password, disabled } = Object.fromEntries(new FormData(fields));
    try {
      await ask(place(user), { method: "PATCH", body: { roles: listed(roles), description, disabled: disabled !== undefined, ...(password ? { password } : {}) } });
      opened.close();
      await attempt(show);
    } catch (error) {
      told.textContent = error.message;
    }
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, password, roles, description } = Object.fromEntries(new FormData(form));
  attempt(async () => {
    await ask("/users", { method: "POST", body: { name, description, roles: listed(roles), ...(password ? { password } : {}) } });
    form.reset();
    notice(`${name} is a user now.`);
    await show();
  });
});
attempt(show);
