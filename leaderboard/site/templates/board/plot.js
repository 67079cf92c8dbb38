// Curves and points drawn from the numbers that stand in the tables below them.
const DATA = JSON.parse(document.getElementById("data").textContent);
const INKS = ["#0173b2", "#b85c00", "#01795a", "#a34a00", "#a64d8f", "#8a5a2b", "#b5527f", "#3b7d9e"];
const SPACE = "http://www.w3.org/2000/svg";
const given = new URLSearchParams(location.hash.slice(1));

function element(name, attributes, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function ticks(low, high, log) {
  if (log) {
    const found = [];
    const steps = high / low > 100 ? [1] : [1, 2, 5];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      found.push(...steps.map((step) => step * 10 ** power));
    }
    return found.filter((value) => value >= low * 0.99 && value <= high * 1.01);
  }
  const step = 10 ** Math.floor(Math.log10((high - low) / 4 || 1));
  const wide = [1, 2, 5, 10].map((n) => n * step).find((each) => (high - low) / each <= 6) ?? step;
  const found = [];
  for (let at = Math.ceil(low / wide) * wide; at <= high + wide / 1e6; at += wide) found.push(Number(at.toFixed(10)));
  return found;
}

const MOST_NAMED = 26;
const WIDEST = 960, NARROW = 640; // pixels
const shorten = (name, longest) => name.length > longest ? `${name.slice(0, longest - 1)}\u2026` : name;

// Curves are drawn of the chosen alone; where each has one point, the others stand behind them.
function draw(group, chosen, room) {
  const width = Math.min(WIDEST, Math.max(320, room)), isNarrow = width < NARROW;
  const [height, left, bottom, top, right, longest] = [440, 60, 46, 14, isNarrow ? 120 : 260, isNarrow ? 15 : 34];
  const series = group.series.filter(([who]) => chosen.has(who));
  const others = group.series.filter(([who, line]) => !chosen.has(who) && line.length === 1);
  const points = [...series, ...others].flatMap(([, each]) => each);
  const bounds = (at, more) => {
    const all = points.flatMap((point) => [point[at], ...more.map((n) => point[n] ?? point[at])]);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const pad = (high - low || Math.abs(high) || 1) * 0.05;
    return at === 0 && group.log ? [low / 1.5, high * 1.5] : [low - pad, high + pad];
  };
  const svg = element("svg", {class: "plot", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${group.title}: ${group.y} over ${group.x}`});
  if (!points.length) return svg;
  let [xs, ys] = [bounds(0, []), bounds(1, [2, 3])];
  if (group.diagonal) xs = ys = [Math.min(xs[0], ys[0]), Math.max(xs[1], ys[1])];
  const scale = group.log ? Math.log10 : (value) => value;
  const x = (value) => left + (scale(value) - scale(xs[0])) / (scale(xs[1]) - scale(xs[0])) * (width - left - right);
  const y = (value) => height - bottom - (value - ys[0]) / (ys[1] - ys[0]) * (height - bottom - top);
  for (const value of ticks(...ys)) {
    svg.append(element("line", {class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value)}),
      element("text", {x: left - 8, y: y(value) + 4, "text-anchor": "end"}, String(value)));
  }
  for (const value of ticks(...xs, group.log)) {
    svg.append(element("text", {x: x(value), y: height - bottom + 18, "text-anchor": "middle"},
      value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : String(value)));
  }
  svg.append(element("line", {class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom}),
    element("text", {x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle"}, group.x),
    element("text", {x: 14, y: height / 2, transform: `rotate(-90 14 ${height / 2})`, "text-anchor": "middle"}, group.y));
  if (group.diagonal) {
    svg.append(element("line", {class: "axis", x1: x(xs[0]), y1: y(ys[0]), x2: x(xs[1]), y2: y(ys[1]), "stroke-dasharray": "2 4"}));
  }
  if (group.chance !== undefined && group.chance !== null && group.chance > ys[0] && group.chance < ys[1]) {
    svg.append(element("line", {class: "axis", x1: left, x2: width - right, y1: y(group.chance), y2: y(group.chance), "stroke-dasharray": "2 4"}),
      element("text", {x: left + 4, y: y(group.chance) - 4}, "random guess"));
  }
  for (const [who, [p]] of others) {
    const circle = element("circle", {class: "other", cx: x(p[0]), cy: y(p[1]), r: 3});
    circle.append(element("title", {}, `${DATA.titles[who]}: ${p[0].toLocaleString("en")}, ${p[1].toFixed(3)}`));
    svg.append(circle);
  }
  const names = [];
  series.forEach(([who, line], at) => {
    const ink = INKS[at % INKS.length];
    if (line.length > 1 && line.every((point) => point[2] !== null)) {
      const band = [...line.map((p) => `${x(p[0])},${y(p[3])}`), ...[...line].reverse().map((p) => `${x(p[0])},${y(p[2])}`)];
      svg.append(element("polygon", {points: band.join(" "), fill: ink, opacity: 0.15}));
    }
    if (line.length > 1) svg.append(element("polyline", {points: line.map((p) => `${x(p[0])},${y(p[1])}`).join(" "), fill: "none", stroke: ink, "stroke-width": 2}));
    for (const p of line) {
      const circle = element("circle", {cx: x(p[0]), cy: y(p[1]), r: p[4] ? 6 : 4, fill: ink});
      circle.append(element("title", {}, `${DATA.titles[who]}: ${p[0].toLocaleString("en")}, ${p[1].toFixed(3)}`));
      svg.append(circle);
    }
    const last = line[line.length - 1];
    names.push({text: `${shorten(DATA.titles[who], longest)}${last[4] ? " (front)" : ""}`, at: y(last[1]), ink, x: x(last[0])});
  });
  const front = group.series.flatMap(([, line]) => line).filter((p) => p[4]).sort((a, b) => a[0] - b[0]);
  if (front.length > 1) svg.append(element("polyline", {points: front.map((p) => `${x(p[0])},${y(p[1])}`).join(" "), fill: "none", class: "axis", "stroke-dasharray": "4 3"}));
  names.sort((a, b) => a.at - b.at);
  let lowest = top;
  for (const name of names.slice(0, MOST_NAMED)) {
    lowest = Math.max(lowest + 15, name.at + 4);
    svg.append(element("line", {class: "grid", x1: name.x, y1: name.at, x2: width - right + 8, y2: lowest - 4}),
      element("text", {x: width - right + 12, y: lowest, fill: name.ink}, name.text));
  }
  return svg;
}

const FEW = 12;

// Boxes to choose detectors by; where they are many they are folded away and searched.
function chooser(group, chosen, changed) {
  const there = group.series.map(([name]) => name);
  const who = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = "Detectors";
  const labels = there.map((name) => {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = chosen.has(name);
    box.value = name;
    const label = document.createElement("label");
    label.append(box, DATA.titles[name]);
    return label;
  });
  who.append(legend, ...labels);
  const summary = document.createElement("summary");
  const count = () => {
    summary.textContent = `Detectors: ${there.filter((name) => chosen.has(name)).length} of ${there.length} chosen`;
  };
  who.addEventListener("change", ({target}) => {
    if (target.type !== "checkbox") return;
    if (target.checked) chosen.add(target.value); else chosen.delete(target.value);
    count();
    changed();
  });
  count();
  if (there.length <= FEW) return who;
  const details = document.createElement("details");
  details.className = "chooser";
  const search = document.createElement("label");
  const field = document.createElement("input");
  field.type = "search";
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const label of labels) label.hidden = !label.textContent.toLowerCase().includes(wanted);
  });
  search.append("Search", field);
  const box = document.createElement("div");
  box.className = "box";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Detectors to choose");
  box.append(who);
  details.append(summary, search, box);
  return details;
}

function start() {
  const controls = document.getElementById("controls"), plot = document.getElementById("plot");
  if (!plot) return;
  const label = document.createElement("label");
  const pick = document.createElement("select");
  pick.id = "pick-group";
  DATA.groups.forEach((group, at) => {
    const option = document.createElement("option");
    option.value = String(at);
    option.textContent = group.title;
    pick.append(option);
  });
  label.append("Show", pick);
  pick.value = given.get("group") ?? "0";
  if (pick.selectedIndex < 0) pick.selectedIndex = 0;
  const chosen = new Set((given.get("who") ?? "").split(".").filter(Boolean));
  const keep = () => history.replaceState(null, "",
    `#${new URLSearchParams({group: pick.value, who: [...chosen].join(".")})}`);
  const redraw = () => {
    const group = DATA.groups[pick.value];
    const there = group.series.map(([name]) => name);
    if (!there.some((name) => chosen.has(name))) {
      const front = group.series.filter(([, line]) => line[0][4]).map(([name]) => name);
      for (const name of [...front, ...there].slice(0, 8)) chosen.add(name);
    }
    controls.replaceChildren(label, chooser(group, chosen, () => {
      show();
      keep();
    }));
    show();
  };
  const show = () => plot.replaceChildren(draw(DATA.groups[pick.value], chosen, plot.clientWidth));
  window.addEventListener("resize", show);
  pick.addEventListener("change", () => {
    redraw();
    keep();
  });
  redraw();
}

start();
