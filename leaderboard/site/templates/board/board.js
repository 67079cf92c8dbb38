// The table of the front page: every choice stands in the address, and nothing is computed here
// but what is shown; ranks and means come with the page.
const DATA = JSON.parse(document.getElementById("data").textContent);
const DASH = "\u2013";
const table = document.getElementById("board-table");
const FIXED = ["detector", "rank", "mean", "Borda", "coverage", "state", "size", "track", "params", "seeds"];
const [MEAN, STATE, PARAMETERS, SEEDS] = ["mean", "state", "params", "seeds"].map((name) => FIXED.indexOf(name));
const HINTS = Object.fromEntries([...table.tHead.querySelectorAll("th[title]")].map((head) => [head.textContent, head.title]));
const DEFAULTS = {slice: "0", q: "", states: "", size: "", track: "", columns: "all", sort: "", down: ""};
const choice = {...DEFAULTS};
let rows = [], places = [];

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(DEFAULTS)) choice[key] = given.get(key) ?? DEFAULTS[key];
  const at = Number(choice.slice);
  if (!(Number.isInteger(at) && at >= 0 && at < DATA.slices.length)) choice.slice = "0";
  const named = ["protocol", "level", "metric", "condition"];
  if (named.some((key) => given.has(key))) {
    const found = DATA.slices.findIndex((each) =>
      named.every((key) => !given.has(key) || each[key] === given.get(key)));
    if (found >= 0) choice.slice = String(found);
  }
}

function writeAddress() {
  const slice = DATA.slices[choice.slice];
  const kept = new URLSearchParams({
    protocol: slice.protocol, level: slice.level, metric: slice.metric, condition: slice.condition,
  });
  for (const [key, value] of Object.entries(choice)) {
    if (key !== "slice" && value !== DEFAULTS[key]) kept.set(key, value);
  }
  history.replaceState(null, "", `#${kept}`);
}

const shown = (thousandths) => thousandths === null ? DASH
  : `${thousandths < 0 ? "\u2212" : ""}${(Math.abs(thousandths) / 1000).toFixed(3)}`;

const compact = (count) => count === null ? DASH
  : count >= 1e6 ? `${(count / 1e6).toFixed(1)}M` : count >= 1e3 ? `${(count / 1e3).toFixed(1)}k` : String(count);

function cellOf(tag, text, name) {
  const cell = document.createElement(tag);
  cell.textContent = text;
  if (name) cell.className = name;
  return cell;
}

// Columns have given widths and a row is laid out only where it is in view: no order or filter makes
// the browser measure 20,000 cells. A column is as wide as the longest word of any heading.
const WIDTHS = [62, 164, 74, 88, 126, 62, 86, 84, 70];
const LETTER = 7.4; // pixels
const ROLES = {THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell"};
const MOST_PRINTED = 6;
let hiddenColumns = {};

function setWidths(slice) {
  const words = slice.columns.flatMap(([label]) => label.split(/[\s-]+/));
  const each = Math.max(70, 7 * Math.max(0, ...words.map((word) => word.length)) + 18);
  const left = slice.columns.filter((_, at) => !hiddenColumns[at]).length;
  const longest = Math.max(0, ...rows.map((row) => row.system.title.length));
  const widest = window.innerWidth <= 640 ? 0.38 * window.innerWidth : 280;
  const name = Math.min(widest, Math.max(130, LETTER * longest + 20));
  const sum = WIDTHS.reduce((total, width) => total + width, name) + left * each;
  table.style.setProperty("--name", `${name}px`);
  table.style.setProperty("--cell", `${each}px`);
  table.style.setProperty("--row", `${Math.max(sum, table.parentElement.clientWidth)}px`);
}

// A table that is laid out so must say what its parts are.
function nameParts() {
  table.setAttribute("role", "table");
  table.classList.add("fast");
  for (const part of table.querySelectorAll("thead, tbody, tr, td")) part.setAttribute("role", ROLES[part.tagName]);
  for (const head of table.querySelectorAll("th")) head.setAttribute("role", head.scope === "col" ? "columnheader" : "rowheader");
}

function drawHead(slice) {
  const line = document.createElement("tr");
  const heads = [...FIXED.map((name) => [name, ""]),
    ...slice.columns.map(([label, seen]) => [label, seen ? "cell seen" : "cell"])];
  heads.forEach(([label, name], at) => {
    const head = cellOf("th", "", name);
    head.scope = "col";
    if (HINTS[label] && at < FIXED.length) head.title = HINTS[label];
    const button = cellOf("button", label);
    button.type = "button";
    button.addEventListener("click", () => sortBy(at));
    head.append(button);
    line.append(head);
  });
  table.tHead.replaceChildren(line);
}

// What a row shows, as texts: its keys are what it is sorted by.
function rowOf(slice, counting, [at, state, rank, tied, mean, low, high, borda, covered, [seeds, saidOfSeeds], values]) {
  const system = DATA.systems[at];
  return {
    system, state, saidOfSeeds,
    detail: low === null ? "" : ` (${shown(low)}${DASH}${shown(high)})`,
    texts: [system.title, rank === null ? DASH : `${rank}${tied ? "=" : ""}`, shown(mean),
      shown(borda), `${covered}/${counting}`, state, system.size || DASH, system.track || DASH,
      compact(system.parameters), seeds ?? DASH, ...values.map(shown)],
    keys: [system.title.toLowerCase(), rank, mean, borda, covered, state, system.size,
      system.track, system.parameters, seeds, ...values],
    text: `${system.title} ${state} ${system.size} ${system.track} ${system.source}`.toLowerCase(),
  };
}

// A line of the table, to be filled with a row. Another order fills the lines anew: that takes half
// the time of moving them, since no line is styled and built again.
function makeLine(length) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  const link = document.createElement("a");
  head.append(link);
  const cells = Array.from({length: length - 1}, () => document.createElement("td"));
  const badge = document.createElement("span");
  cells[STATE - 1].append(badge);
  line.append(head, ...cells);
  const nodes = [link, ...cells].map((cell, at) => {
    const node = document.createTextNode("");
    (at === STATE ? badge : cell).append(node);
    return node;
  });
  const detail = cellOf("span", "", "detail");
  const interval = document.createTextNode("");
  detail.append(interval);
  cells[MEAN - 1].append(detail);
  return {line, head, link, badge, nodes, interval, cells, row: null};
}

function fill(place, row) {
  if (place.row === row) return;
  place.row = row;
  const {nodes} = place, {texts, system, state} = row;
  for (let at = 0; at < nodes.length; at++) {
    if (nodes[at].data !== texts[at]) nodes[at].data = texts[at];
  }
  place.interval.data = row.detail;
  place.link.href = `detectors/${system.id}.html`;
  place.head.title = [system.title, system.source].filter(Boolean).join(": ");
  place.cells[PARAMETERS - 1].title = system.parameters === null ? "" : system.parameters.toLocaleString("en");
  place.cells[SEEDS - 1].title = row.saidOfSeeds;
  place.badge.className = `state ${state}`;
  place.line.className = state === "reported" || state === "imported" ? "others" : "";
}

function drawBaseline(slice) {
  const line = document.createElement("tr");
  line.className = "baseline";
  const head = cellOf("th", "random guess");
  head.scope = "row";
  line.append(head);
  FIXED.slice(1).forEach((name) => line.append(cellOf("td", name === "mean" ? shown(slice.chance) : DASH)));
  slice.columns.forEach(() => line.append(cellOf("td", shown(slice.chance))));
  return line;
}

function draw() {
  const slice = DATA.slices[choice.slice];
  drawHead(slice);
  const counting = slice.columns.reduce((sum, column) => sum + column[2], 0);
  rows = slice.rows.map((row) => rowOf(slice, counting, row));
  places = rows.map(() => makeLine(FIXED.length + slice.columns.length));
  const body = document.createElement("tbody");
  body.append(...places.map((place) => place.line));
  const foot = document.createElement("tbody");
  if (slice.chance !== null) foot.append(drawBaseline(slice));
  reorder();
  for (const old of [...table.tBodies]) old.remove();
  table.append(body, foot);
  table.caption.textContent = `${slice.title}: ${slice.metric} by ${slice.level}, ${slice.conditionName}`;
  table.classList.toggle("many", slice.columns.length > MOST_PRINTED);
  document.getElementById("answer").hidden = choice.slice !== "0";
  nameParts();
  setWidths(slice);
  filter();
}

function sortBy(at) {
  const turns = at === 0 ? ["up", "down", ""] : ["down", "up", ""];
  const next = choice.sort === String(at) ? turns[(turns.indexOf(choice.down) + 1) % 3] : turns[0];
  choice.sort = next ? String(at) : "";
  choice.down = next;
  reorder();
  filter();
  writeAddress();
}

function reorder() {
  const at = choice.sort === "" ? -1 : Number(choice.sort);
  const sign = choice.down === "down" ? -1 : 1;
  const ordered = at < 0 ? rows : [...rows].sort((a, b) => {
    const [left, right] = [a.keys[at] ?? null, b.keys[at] ?? null];
    if (left === null || right === null) return (left === null) - (right === null);
    return sign * (typeof left === "number" ? left - right : left.localeCompare(right, "en"));
  });
  ordered.forEach((row, place) => fill(places[place], row));
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    if (place === at) head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

function filter() {
  const wanted = choice.q.trim().toLowerCase();
  const states = choice.states ? choice.states.split(".") : null;
  let left = 0;
  for (const {line, row} of places) {
    const stays = row.text.includes(wanted) && (!states || states.includes(row.state))
      && (!choice.size || row.system.size === choice.size)
      && (!choice.track || row.system.track === choice.track);
    if (line.hidden === stays) line.hidden = !stays;
    left += stays;
  }
  document.getElementById("told").textContent = left === rows.length
    ? `${left} entries` : `${left} of ${rows.length} entries`;
  hideColumns(DATA.slices[choice.slice]);
}

function hideColumns(slice) {
  const hides = (column) => (choice.columns === "summary")
    || (choice.columns === "unseen" && column[1]) || (choice.columns === "counting" && !column[2]);
  let changed = false;
  slice.columns.forEach((column, at) => {
    if (hides(column) === Boolean(hiddenColumns[at])) return;
    hiddenColumns[at] = hides(column);
    for (const line of table.rows) {
      const cell = line.cells[FIXED.length + at];
      if (cell) cell.hidden = hides(column);
    }
    changed = true;
  });
  if (changed) setWidths(slice);
}

function picker(name, label, options, change) {
  const box = document.createElement("label");
  const field = document.createElement("select");
  field.id = `pick-${name}`;
  for (const [value, text] of options) {
    const option = cellOf("option", text);
    option.value = value;
    field.append(option);
  }
  field.addEventListener("change", () => { change(field.value); });
  box.append(label, field);
  return box;
}

const unique = (list) => [...new Set(list)];

function chooseSlice(key, value) {
  const now = {...DATA.slices[choice.slice], [key]: value};
  const order = ["protocol", "metric", "level", "condition"];
  let best = null, most = -1;
  DATA.slices.forEach((each, at) => {
    if (each[key] !== value) return;
    const same = order.reduce((sum, name) => sum + (each[name] === now[name]), 0);
    if (same > most) [best, most] = [at, same];
  });
  choice.slice = String(best);
  choice.sort = choice.down = "";
  hiddenColumns = {};
  drawControls();
  draw();
  writeAddress();
}

function drawControls() {
  const slice = DATA.slices[choice.slice];
  const here = DATA.slices.filter((each) => each.protocol === slice.protocol);
  const some = (key, list) => list.map((value) => [value, value]);
  const search = document.createElement("label");
  const field = document.createElement("input");
  field.type = "search";
  field.id = "pick-q";
  field.value = choice.q;
  field.addEventListener("input", () => { choice.q = field.value; filter(); writeAddress(); });
  search.append("Search", field);
  const plain = (name, label, options) => picker(name, label, options, (value) => {
    choice[name] = value;
    filter();
    writeAddress();
  });
  const titles = new Map(DATA.slices.map((each) => [each.protocol, each.title]));
  const conditions = new Map(here.map((each) => [each.condition, each.conditionName]));
  const states = document.createElement("fieldset");
  states.append(cellOf("legend", "States"));
  const there = unique(DATA.slices.flatMap((each) => each.rows.map((row) => row[1])));
  const chosen = choice.states ? choice.states.split(".") : there;
  for (const state of there) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.value = state;
    box.checked = chosen.includes(state);
    box.addEventListener("change", () => {
      const left = [...states.querySelectorAll("input:checked")].map((each) => each.value);
      choice.states = left.length === there.length ? "" : left.join(".") || "none";
      filter();
      writeAddress();
    });
    label.append(box, state);
    states.append(label);
  }
  const any = (list) => [["", "any"], ...list.filter(Boolean).map((value) => [value, value])];
  document.getElementById("controls").replaceChildren(
    picker("protocol", "Protocol", [...titles], (value) => chooseSlice("protocol", value)),
    picker("metric", "Metric", some("metric", unique(here.map((each) => each.metric))),
      (value) => chooseSlice("metric", value)),
    picker("level", "Level", some("level", unique(here.map((each) => each.level))),
      (value) => chooseSlice("level", value)),
    picker("condition", "Condition", [...conditions], (value) => chooseSlice("condition", value)),
    plain("size", "Size", any(unique(DATA.systems.map((each) => each.size)))),
    plain("track", "Track", any(unique(DATA.systems.map((each) => each.track)))),
    plain("columns", "Cells", [["all", "all"], ["counting", "those that count"],
      ["unseen", "unseen"], ["summary", "none"]]),
    states, search);
  for (const key of ["protocol", "metric", "level", "condition"]) {
    document.getElementById(`pick-${key}`).value = slice[key];
  }
  for (const key of ["size", "track", "columns"]) {
    document.getElementById(`pick-${key}`).value = choice[key];
  }
}

readAddress();
drawControls();
draw();
window.addEventListener("hashchange", () => {
  readAddress();
  hiddenColumns = {};
  drawControls();
  draw();
});
window.addEventListener("resize", () => setWidths(DATA.slices[choice.slice]));
// Names are held beside what is scrolled sideways, and only then: 200 names that are held all the
// time cost a third of every frame.
const box = table.parentElement;
box.addEventListener("scroll", () => table.classList.toggle("moved", box.scrollLeft > 0), {passive: true});
