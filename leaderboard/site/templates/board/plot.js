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
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) found.push(10 ** power);
    return found.filter((value) => value >= low * 0.99 && value <= high * 1.01);
  }
  const step = 10 ** Math.floor(Math.log10((high - low) / 4 || 1));
  const wide = [1, 2, 5, 10].map((n) => n * step).find((each) => (high - low) / each <= 6) ?? step;
  const found = [];
  for (let at = Math.ceil(low / wide) * wide; at <= high + wide / 1e6; at += wide) found.push(Number(at.toFixed(10)));
  return found;
}

function draw(group, chosen) {
  const [width, height, left, bottom, top, right] = [760, 420, 60, 46, 14, 190];
  const series = group.series.filter(([who]) => chosen.has(who));
  const points = series.flatMap(([, each]) => each);
  const bounds = (at, more) => {
    const all = points.flatMap((point) => [point[at], ...more.map((n) => point[n] ?? point[at])]);
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const pad = (high - low || Math.abs(high) || 1) * 0.05;
    return at === 0 && group.log ? [low / 1.5, high * 1.5] : [low - pad, high + pad];
  };
  const svg = element("svg", {class: "plot", viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${group.title}: ${group.y} over ${group.x}`});
  if (!points.length) return svg;
  const [xs, ys] = [bounds(0, []), bounds(1, [2, 3])];
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
    names.push({text: `${DATA.titles[who]}${last[4] ? " (front)" : ""}`, at: y(last[1]), ink, x: x(last[0])});
  });
  const front = series.flatMap(([, line]) => line).filter((p) => p[4]).sort((a, b) => a[0] - b[0]);
  if (front.length > 1) svg.append(element("polyline", {points: front.map((p) => `${x(p[0])},${y(p[1])}`).join(" "), fill: "none", class: "axis", "stroke-dasharray": "4 3"}));
  names.sort((a, b) => a.at - b.at);
  let lowest = top;
  for (const name of names.slice(0, 26)) {
    lowest = Math.max(lowest + 15, name.at + 4);
    svg.append(element("line", {class: "grid", x1: name.x, y1: name.at, x2: width - right + 8, y2: lowest - 4}),
      element("text", {x: width - right + 12, y: lowest, fill: name.ink}, name.text));
  }
  return svg;
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
  const who = document.createElement("fieldset");
  controls.replaceChildren(label, who);
  const chosen = new Set((given.get("who") ?? "").split(".").filter(Boolean));
  const redraw = (write) => {
    const group = DATA.groups[pick.value];
    const there = group.series.map(([name]) => name);
    if (![...chosen].some((name) => there.includes(name))) there.slice(0, 8).forEach((name) => chosen.add(name));
    const legend = document.createElement("legend");
    legend.textContent = "Detectors";
    who.replaceChildren(legend, ...there.map((name) => {
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = chosen.has(name);
      box.value = name;
      box.addEventListener("change", () => {
        if (box.checked) chosen.add(name); else chosen.delete(name);
        plot.replaceChildren(draw(group, chosen));
        keep();
      });
      const each = document.createElement("label");
      each.append(box, DATA.titles[name]);
      return each;
    }));
    plot.replaceChildren(draw(group, chosen));
    if (write) keep();
  };
  const keep = () => history.replaceState(null, "",
    `#${new URLSearchParams({group: pick.value, who: [...chosen].join(".")})}`);
  pick.addEventListener("change", () => redraw(true));
  redraw(false);
}

start();
