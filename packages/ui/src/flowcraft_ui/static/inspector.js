// What the pages do beyond links and forms, all of which work without it.
import { zone } from "./switches.js";
import { follow } from "./live.js";
import { graph } from "./graph.js";

const drawn = graph();
zone.show(document);
follow((part) => {
  zone.show(part);
  drawn?.again();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  const field = document.querySelector("#find, input[type=search]");
  if (field) {
    event.preventDefault();
    field.focus();
  }
});
