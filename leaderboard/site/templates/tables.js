// Tables that are sorted and filtered where they stand, and numbers shown over a heat map's cells.
// Without it every table is whole and readable. Nothing is loaded and nothing is written as HTML.
"use strict";

function valueOf(row, column) {
  const cell = row.cells[column];
  const raw = cell.dataset.value;
  if (raw !== undefined) return Number(raw);
  const text = cell.textContent.trim();
  return text === "\u2013" || text === "" || /^\u2013\d+$/.test(text) ? null : text.toLowerCase();
}

// What has no value is last, whichever way a column is sorted.
function compare(left, right, sign) {
  if (left === null || right === null) return (left === null) - (right === null);
  if (typeof left === "number" && typeof right === "number") return sign * (left - right);
  return sign * String(left).localeCompare(String(right), "en", {numeric: true});
}

function sortTable(table, column, direction) {
  const sign = direction === "descending" ? -1 : 1;
  for (const body of table.tBodies) {
    if (body.classList.contains("counts")) continue;
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    rows.forEach((row, at) => { if (row.dataset.place === undefined) row.dataset.place = at; });
    const keyed = rows.map((row) => ({
      row, place: Number(row.dataset.place), key: direction === "none" ? null : valueOf(row, column),
    }));
    keyed.sort((a, b) => compare(a.key, b.key, sign) || a.place - b.place);
    body.append(...keyed.map((each) => each.row));
  }
  [...table.tHead.rows[0].cells].forEach((cell, at) => {
    if (at === column && direction !== "none") cell.setAttribute("aria-sort", direction);
    else cell.removeAttribute("aria-sort");
  });
}

function addSorting(table) {
  [...table.tHead.rows[0].cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    button.addEventListener("click", () => {
      const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
      const numeric = rows.some((row) => row.cells[column] && row.cells[column].dataset.value);
      const turns = numeric ? ["descending", "ascending", "none"] : ["ascending", "descending", "none"];
      const now = cell.getAttribute("aria-sort") || "none";
      sortTable(table, column, turns[(turns.indexOf(now) + 1) % 3]);
    });
  });
}

const FEWEST_TO_FILTER = 9;

function addFilter(table) {
  const rows = [...table.tBodies].filter((body) => !body.classList.contains("counts"))
    .flatMap((body) => [...body.rows]);
  if (rows.length < FEWEST_TO_FILTER) return;
  const label = document.createElement("label");
  label.className = "filter";
  label.append("Show rows with ");
  const field = document.createElement("input");
  field.type = "search";
  const told = document.createElement("span");
  told.setAttribute("role", "status");
  label.append(field, told);
  table.closest(".box").before(label);
  const plain = rows.filter((row) => !row.classList.contains("group"));
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let shown = 0;
    for (const body of table.tBodies) {
      const group = body.querySelector("tr.group");
      const all = group !== null && group.textContent.toLowerCase().includes(wanted);
      for (const row of body.rows) {
        if (!plain.includes(row)) continue;
        row.hidden = !all && !row.textContent.toLowerCase().includes(wanted);
        shown += !row.hidden;
      }
    }
    told.textContent = wanted ? ` ${shown} of ${plain.length} rows` : "";
  });
}

function addHover(box) {
  const spots = JSON.parse(box.dataset.spots);
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  box.append(tip);
  const image = box.querySelector("img");
  image.addEventListener("pointermove", (event) => {
    const x = event.offsetX / image.clientWidth, y = event.offsetY / image.clientHeight;
    const spot = spots.find(([left, top, width, height]) =>
      x >= left && x < left + width && y >= top && y < top + height);
    tip.hidden = spot === undefined;
    if (spot === undefined) return;
    tip.textContent = spot[4];
    tip.style.left = `${Math.min(event.offsetX + 12, Math.max(0, image.clientWidth - 300))}px`;
    tip.style.top = `${event.offsetY + 16}px`;
  });
  image.addEventListener("pointerleave", () => { tip.hidden = true; });
}

// A link into what is folded away opens it.
function openTarget() {
  const target = location.hash.length > 1
    ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  if (target === null) return;
  for (let node = target; node; node = node.parentElement) {
    if (node.tagName === "DETAILS") node.open = true;
  }
  target.scrollIntoView();
}

for (const table of document.querySelectorAll(".box table")) {
  addSorting(table);
  addFilter(table);
}
document.querySelectorAll("[data-spots]").forEach(addHover);
window.addEventListener("hashchange", openTarget);
openTarget();
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const each of folded) each.open = true;
});
window.addEventListener("afterprint", () => { for (const each of folded) each.open = false; });
