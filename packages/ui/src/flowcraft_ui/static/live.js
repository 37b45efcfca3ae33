// Keeps a page as it is now: it fetches itself again when it is told of a change, or now and then, and puts those of its
// parts in place that have changed. The server alone makes HTML; nothing of data is ever read as HTML here.

const parts = (page) => new Map([...page.querySelectorAll("[data-live]")].map((part) => [part.id, part]));
const seen = new Map();
let busy = false;
let again = false;

async function load(address) {
  const answer = await fetch(address, { headers: { accept: "text/html" }, redirect: "error" });
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

function replace(old, part, shown) {
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const way = focused?.getAttribute("href");
  const open = [...old.querySelectorAll("details")].map((details) => details.open);
  const left = old.scrollLeft;
  const fresh = document.importNode(part, true);
  old.replaceWith(fresh);
  fresh.scrollLeft = left;
  fresh.querySelectorAll("details").forEach((details, place) => { details.open = open[place] ?? false; });
  if (way) [...fresh.querySelectorAll("a")].find((link) => link.getAttribute("href") === way)?.focus();
  else if (focused) fresh.focus?.();
  shown(fresh);
}

async function refresh(shown) {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const page = await load(location.href);
    for (const [id, part] of parts(page)) {
      const text = part.outerHTML;
      const old = document.getElementById(id);
      if (old && seen.get(id) !== text) {
        seen.set(id, text);
        replace(old, part, shown);
      }
    }
  } catch { /* the next one may work */ } finally {
    busy = false;
    if (again) { again = false; refresh(shown); }
  }
}

function say(words) {
  document.getElementById("said").textContent = words;
}

export function follow(shown) {
  for (const [id, part] of parts(document)) seen.set(id, part.outerHTML);
  const main = document.getElementById("main");
  const { events, refresh: seconds } = main.dataset;
  if (events) {
    const stream = new EventSource(events);
    stream.addEventListener("changed", () => refresh(shown));
    stream.addEventListener("ended", async () => {
      stream.close();
      await refresh(shown);
      say("The run has ended.");
    });
    addEventListener("pagehide", () => stream.close());
  } else if (seconds) {
    setInterval(() => { if (!document.hidden) refresh(shown); }, Number(seconds) * 1000);
  }
  for (const place of document.querySelectorAll("[data-load]")) {
    load(place.dataset.load).then((page) => {
      const part = page.getElementById(place.id);
      if (part) place.replaceWith(document.importNode(part, true));
    }).catch(() => { /* its link is still there */ });
  }
}
