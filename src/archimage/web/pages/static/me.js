// One's own account: password, API tokens, shared studies and sessions.
import { ask, attempt, notice } from "./api.js";
import { list, reveal } from "./proofs.js";

const part = (name) => document.getElementById(name);

async function show() {
  const me = await ask("/me");
  const known = Boolean(me.user) && !me.token;
  part("nobody").hidden = known;
  part("mine").hidden = part("logout").hidden = !known;
  if (!known) return;
  part("who").textContent = me.user;
  part("roles").textContent = me.roles.length ? `Roles: ${me.roles.join(", ")}` : "No roles";
  part("password-part").hidden = !me.can_change_password;
  part("new-token").hidden = !me.can_change_password;
  await Promise.all(["tokens", "shares", "sessions"].map((kind) => list(kind, "/me", false)));
}

part("password").addEventListener("submit", (event) => {
  event.preventDefault();
  const { old, new: fresh, again } = Object.fromEntries(new FormData(event.target));
  if (fresh !== again) {
    notice("The two passwords differ.", { bad: true });
    return;
  }
  attempt(async () => {
    await ask("/me/password", { method: "PUT", body: { old, new: fresh } });
    event.target.reset();
    notice("This is your password now. Other browsers have to log in again.");
    await list("sessions", "/me", false);
  });
});

part("new-token").addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, operations, days } = Object.fromEntries(new FormData(event.target));
  attempt(async () => {
    const issued = await ask("/me/tokens", { method: "POST", body: { name, operations: operations ? operations.split(",") : null, days: days ? Number(days) : null } });
    event.target.reset();
    reveal(`Token ${name}`, issued.secret, "Keep it now: it is not shown again. Programs send it as Authorization: Bearer.");
    await list("tokens", "/me", false);
  });
});

attempt(show);
