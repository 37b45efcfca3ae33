// Moves about in the drawing of a graph: fit, zoom, pan, find. Where one is stands in the history, what was looked for in
// the address, so that the back button and a shared link lead there.

const READABLE = 0.55; // smaller than that, an overview is no use at first

export function graph() {
  const svg = document.getElementById("graph");
  if (!svg) return null;
  const width = Number(svg.dataset.width);
  const height = Number(svg.dataset.height);
  const find = document.getElementById("find");
  find.closest(".tools").hidden = false;
  let view = { x: 0, y: 0, w: width, h: height };
  let found = [];
  let place = 0;

  const scale = () => Math.min(svg.clientWidth / view.w, svg.clientHeight / view.h);

  function show(next) {
    view = next;
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
    clearTimeout(show.later);
    show.later = setTimeout(() => history.replaceState({ ...history.state, view }, ""), 200);
  }

  function fit() {
    // A small graph is not blown up beyond a little more than its own size.
    const w = Math.max(width, svg.clientWidth / 1.2);
    const h = Math.max(height, svg.clientHeight / 1.2);
    show({ x: (width - w) / 2, y: (height - h) / 2, w, h });
  }

  function zoom(by, at) {
    const middle = at ?? { x: view.x + view.w / 2, y: view.y + view.h / 2 };
    const w = Math.min(Math.max(view.w / by, 200), width * 4 + 1000);
    const real = view.w / w;
    show({ x: middle.x - (middle.x - view.x) / real, y: middle.y - (middle.y - view.y) / real, w, h: view.h / real });
  }

  function goTo(node, close = true) {
    const box = node.getBBox();
    const w = close ? Math.max(svg.clientWidth, 360) : view.w;
    const h = (w * svg.clientHeight) / svg.clientWidth;
    const x = within(box.x + box.width / 2 - w / 2, w, width);
    show({ x, y: within(box.y + box.height / 2 - h / 2, h, height), w, h });
  }

  // Not beyond the edge of what is drawn, as far as that fills the view.
  function within(begin, size, whole) {
    return size < whole ? Math.min(Math.max(begin, 0), whole - size) : (whole - size) / 2;
  }

  function point(event) {
    const box = svg.getBoundingClientRect();
    const size = scale();
    return {
      x: view.x + view.w / 2 + (event.clientX - box.left - box.width / 2) / size,
      y: view.y + view.h / 2 + (event.clientY - box.top - box.height / 2) / size,
    };
  }

  // --- pointers: one moves, two zoom ---------------------------------------------------------------------------------
  const pointers = new Map();
  let moved = 0;
  svg.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event);
    moved = 0;
  });
  svg.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const others = [...pointers.values()].filter((each) => each.pointerId !== event.pointerId);
    if (others.length === 1) {
      const apart = (one) => Math.hypot(one.clientX - others[0].clientX, one.clientY - others[0].clientY);
      zoom(apart(event) / Math.max(1, apart(before)), point(others[0]));
    } else {
      const size = scale();
      const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
      moved += Math.abs(dx) + Math.abs(dy);
      if (moved > 5) {
        svg.setPointerCapture(event.pointerId);
        svg.classList.add("dragging");
        show({ ...view, x: view.x - dx / size, y: view.y - dy / size });
      }
    }
    pointers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    svg.addEventListener(end, (event) => {
      pointers.delete(event.pointerId);
      svg.classList.remove("dragging");
    });
  }
  svg.addEventListener("click", (event) => { if (moved > 5) event.preventDefault(); }, true);
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, point(event));
  }, { passive: false });

  // --- keys and buttons ----------------------------------------------------------------------------------------------
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = steps[event.key];
    if (step) show({ ...view, x: view.x + step[0] * view.w * 0.1, y: view.y + step[1] * view.h * 0.1 });
    else if (event.key === "+" || event.key === "=") zoom(1.25);
    else if (event.key === "-") zoom(1 / 1.25);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });
  svg.addEventListener("focusin", (event) => {
    const node = event.target.closest(".node");
    if (!node || pointers.size) return;
    const box = node.getBBox();
    const inside = box.x >= view.x && box.y >= view.y && box.x + box.width <= view.x + view.w && box.y + box.height <= view.y + view.h;
    if (!inside) goTo(node, false);
  });

  const matters = () => {
    for (const look of ["failed", "under-way", "running", "waiting", "retrying", "passed-on", "no-worker", "limited", "ready", "handled"]) {
      const node = svg.querySelector(`.node.s-${look}`);
      if (node) return node;
    }
    return svg.querySelector(".node");
  };
  const buttons = { fit, in: () => zoom(1.25), out: () => zoom(1 / 1.25), ended: () => goTo(matters()) };
  for (const button of document.querySelectorAll("[data-graph]")) {
    button.addEventListener("click", () => buttons[button.dataset.graph]());
  }

  // --- find ----------------------------------------------------------------------------------------------------------
  function look() {
    const wanted = find.value.trim().toLowerCase();
    found = [];
    for (const node of svg.querySelectorAll(".node")) {
      const is = wanted !== "" && node.dataset.name.toLowerCase().includes(wanted);
      node.classList.toggle("found", is);
      node.classList.toggle("dim", wanted !== "" && !is);
      if (is) found.push(node);
    }
    for (const edge of svg.querySelectorAll(".edge")) edge.classList.toggle("dim", wanted !== "");
    return wanted;
  }
  find.addEventListener("input", () => {
    const wanted = look();
    place = 0;
    const address = new URL(location.href);
    if (wanted) address.searchParams.set("find", wanted);
    else address.searchParams.delete("find");
    history.replaceState(history.state, "", address);
    document.getElementById("said").textContent = wanted ? `${found.length} found` : "";
    if (found.length) goTo(found[0]);
  });
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !found.length) return;
    event.preventDefault();
    place = (place + (event.shiftKey ? found.length - 1 : 1)) % found.length;
    goTo(found[place]);
  });

  // --- at first ------------------------------------------------------------------------------------------------------
  fit();
  if (history.state?.view) show(history.state.view);
  else if (scale() < READABLE && width * height > 0) goTo(matters());
  find.value = new URL(location.href).searchParams.get("find") ?? "";
  if (look() && found.length) goTo(found[0]);
  return { again: look };
}
