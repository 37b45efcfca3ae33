// The two switches above: local time or UTC, dark or light. What was chosen is kept in this browser.

function kept(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

function keep(name, value) {
  try { localStorage.setItem(name, value); } catch { /* then it is for this page only */ }
}

function wire(name, isOn, turn) {
  const button = document.querySelector(`[data-switch=${name}]`);
  if (!button) return;
  const press = () => button.setAttribute("aria-pressed", String(isOn()));
  button.hidden = false;
  press();
  button.addEventListener("click", () => { turn(!isOn()); press(); });
}

const LOCAL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
let local = kept("flowcraft-zone") === "local";

export const zone = {
  /** Writes all times within an element in the zone that was chosen; their titles have the exact one in UTC. */
  show(within) {
    for (const time of within.querySelectorAll("time[datetime]")) {
      time.dataset.utc ??= time.textContent;
      const at = new Date(time.dateTime);
      time.textContent = local && !Number.isNaN(at.getTime()) ? LOCAL.format(at) : time.dataset.utc;
    }
  },
};

wire("zone", () => local, (on) => {
  local = on;
  keep("flowcraft-zone", on ? "local" : "utc");
  zone.show(document);
});

const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";

wire("theme", isDark, (on) => {
  const wanted = on ? "dark" : "light";
  document.documentElement.dataset.theme = wanted;
  keep("flowcraft-theme", wanted);
});
