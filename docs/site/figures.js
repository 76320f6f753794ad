// The animated figures: draws the nodes and arrows of each figure, and applies its frames. The data
// and the step lists are in the page (docs/site/figures.toml, by scripts/site).
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const still = matchMedia("(prefers-reduced-motion: reduce)");

function make(name, attributes = {}, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return parent ? parent.appendChild(made) : made;
}

/** What frame `at` shows: the first picture of its case, and all changes since. */
function picture(data, at) {
  const nodes = Object.fromEntries(data.nodes.map((node) => [node.id, { ...node }]));
  const arrows = Object.fromEntries((data.arrows || []).map((arrow) => [arrow.id, { ...arrow }]));
  let from = at;
  while (from > 0 && !data.frames[from].case) from -= 1;
  for (const frame of data.frames.slice(from, at + 1)) {
    for (const [id, change] of Object.entries(frame.set || {})) Object.assign(nodes[id] || arrows[id], change);
  }
  return { nodes, arrows };
}

function start(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  const stage = figure.querySelector(".fig-stage");
  const svg = make("svg", { viewBox: `0 0 440 ${data.height}`, role: "img", "aria-label": data.title }, stage);
  const head = make("marker", { id: "fig-head", viewBox: "0 0 8 8", refX: 1, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" }, svg);
  make("path", { d: "M0 0 8 4 0 8z" }, head);
  const drawn = {};
  for (const arrow of data.arrows || []) drawn[arrow.id] = make("path", { class: "fig-arrow" }, svg);
  for (const node of data.nodes) {
    const group = make("g", {}, svg);
    if (node.is !== "label") make("rect", { rx: 5 }, group);
    make("text", { "text-anchor": "middle", "dominant-baseline": "central" }, group);
    drawn[node.id] = group;
  }
  const note = figure.querySelector(".fig-note");
  const course = figure.querySelector(".fig-case");
  const button = (name) => figure.querySelector(`[data-do=${name}]`);
  const last = data.frames.length - 1;
  let at = -1; // Before the first frame: the first picture.
  let timer = 0;
  let shown = null;
  let moving = 0;

  /** Draws a share of the way from one picture to another. */
  function draw(old, next, share) {
    for (const [id, node] of Object.entries(next.nodes)) {
      const before = old.nodes[id];
      const between = (key) => before[key] + (node[key] - before[key]) * share;
      const [rect, text] = [drawn[id].querySelector("rect"), drawn[id].querySelector("text")];
      drawn[id].setAttribute("class", `fig-node ${node.is || ""}`);
      drawn[id].setAttribute("transform", `translate(${between("x")} ${between("y")})`);
      if (rect) [rect.setAttribute("width", node.w), rect.setAttribute("height", node.h)];
      [text.setAttribute("x", node.w / 2), text.setAttribute("y", node.h / 2)];
      text.textContent = node.t;
    }
    for (const [id, arrow] of Object.entries(next.arrows)) {
      const end = (picture, key, edge) => {
        const node = picture.nodes[picture.arrows[id][key]];
        return [node.x + node.w / 2, node.y + node.h * edge];
      };
      const mix = (key, edge) => end(old, key, edge).map((n, i) => n + (end(next, key, edge)[i] - n) * share);
      const [[x, y], [toX, toY]] = [mix("from", 1), mix("to", 0)];
      drawn[id].setAttribute("class", `fig-arrow ${arrow.is || ""}`);
      const bend = (toY - y) / 2;
      drawn[id].setAttribute("d", `M${x} ${y} C${x} ${y + bend} ${toX} ${toY - bend} ${toX} ${toY - 7}`);
    }
  }

  function show(to) {
    at = Math.max(-1, Math.min(last, to));
    const frame = data.frames[at] || { note: data.first };
    const next = picture(data, at);
    const old = shown || next;
    shown = next;
    cancelAnimationFrame(moving);
    const began = performance.now();
    const tick = (now) => {
      const share = still.matches ? 1 : Math.min(1, Math.max(0, now - began) / 350);
      draw(old, next, share * (2 - share));
      if (share < 1) moving = requestAnimationFrame(tick);
    };
    tick(began);
    note.textContent = frame.note;
    if (course) {
      let from = Math.max(at, 0);
      while (from > 0 && !data.frames[from].case) from -= 1;
      course.textContent = data.frames[from].case;
    }
    for (const item of figure.querySelectorAll("[data-step]")) {
      const acts = item.dataset.actor === frame.who || figure.querySelectorAll("ol").length === 1;
      const current = acts && item.dataset.step === frame.step;
      if (current) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
      item.dataset.who = current ? frame.who : "";
    }
    figure.querySelector(".fig-count").textContent = `${at + 1} / ${last + 1}`;
    button("back").disabled = button("first").disabled = at < 0;
    button("step").disabled = at === last;
  }

  function play(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => (at < last ? show(at + 1) : play(false)), 2600) : 0;
    button("play").textContent = on ? "Pause" : "Play";
    note.setAttribute("aria-live", on ? "off" : "polite");
  }

  const acts = {
    first: () => (play(false), show(-1)),
    back: () => (play(false), show(at - 1)),
    step: () => (play(false), show(at + 1)),
    play: () => {
      const on = !timer;
      if (on) show(at === last ? -1 : at + 1);
      play(on);
    },
  };
  const keys = { ArrowLeft: "back", ArrowRight: "step", Home: "first", p: "play" };
  for (const name of Object.keys(acts)) button(name).addEventListener("click", acts[name]);
  figure.addEventListener("keydown", (event) => {
    const name = keys[event.key];
    if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // The site's own keys: p is its previous page.
    acts[name]();
  });
  document.addEventListener("visibilitychange", () => document.hidden && play(false));
  show(-1);
  figure.classList.add("fig-ready");
}

for (const figure of document.querySelectorAll(".fig")) start(figure);
