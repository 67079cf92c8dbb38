// Two entries cell by cell: the difference, and its interval over draws that both share.
const DATA = JSON.parse(document.getElementById("data").textContent);
const given = new URLSearchParams(location.hash.slice(1));
const number = (value, digits = 3) => value.toFixed(digits).replace("-", "\u2212");
const signed = (value) => `${value >= 0 ? "+" : ""}${number(value)}`;

function drawsOf([, low, high, codes]) {
  return [...atob(codes)].map((sign) => low + (high - low) * sign.charCodeAt(0) / 255);
}

// Abramowitz and Stegun 7.1.26, to 1.5e-7.
function twoSided(z) {
  const x = z / Math.SQRT2, t = 1 / (1 + 0.3275911 * x);
  const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741
    + t * (-1.453152027 + t * 1.061405429))));
  return Math.min(1, Math.max(0, sum * Math.exp(-x * x)));
}

const spreadOf = (values) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1));
};

// The difference of two cells, and what it is in each draw: none where one has no resamples. What
// training seeds add to its variance counts where one of the two has several.
function differenceOf(a, b, areShared, seeds) {
  const draws = areShared && a.length > 1 && b.length > 1 ? [drawsOf(a), drawsOf(b)] : null;
  return {
    a: a[0], b: b[0], value: a[0] - b[0],
    draws: draws && draws[0].map((value, at) => value - draws[1][at]),
    between: seeds > 1 ? (a[4] ?? 0) + (b[4] ?? 0) : 0,
  };
}

// The mean over cells: draws are shared by the cells too, so that theirs is the mean of each draw.
function meanOf(differences, between) {
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const all = differences.map((each) => each.draws);
  return {
    a: mean(differences.map((each) => each.a)), b: mean(differences.map((each) => each.b)),
    value: mean(differences.map((each) => each.value)),
    between,
    draws: all.every(Boolean) ? all[0].map((_, at) => mean(all.map((draws) => draws[at]))) : null,
  };
}

function tested({value, draws, between}) {
  if (!draws) return null;
  const spread = Math.sqrt(spreadOf(draws) ** 2 + between);
  return {
    p: spread > 0 ? twoSided(Math.abs(value) / spread) : value === 0 ? 1 : 0,
    low: value - 1.96 * spread, high: value + 1.96 * spread,
  };
}

function picker(name, label, options) {
  const box = document.createElement("label");
  const field = document.createElement("select");
  field.id = `pick-${name}`;
  for (const [value, text] of options) {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = text;
    field.append(option);
  }
  if (given.has(name)) field.value = given.get(name);
  if (field.selectedIndex < 0) field.selectedIndex = 0;
  field.addEventListener("change", () => {
    given.set(name, field.value);
    history.replaceState(null, "", `#${given}`);
    if (name === "slice") setUp();
    else show();
  });
  box.append(label, field);
  return box;
}

function setUp() {
  const slices = DATA.slices.map((each, at) =>
    [String(at), `${each.title}, by ${each.level}, ${each.conditionName}`]);
  const slice = DATA.slices[given.get("slice") ?? 0] ?? DATA.slices[0];
  const entries = slice.rows.map(([id]) => [id, DATA.titles[id]]);
  if (!given.has("b") && entries.length > 1) given.set("b", entries[1][0]);
  document.getElementById("controls").replaceChildren(
    picker("slice", "Protocol", slices), picker("a", "A", entries), picker("b", "B", entries));
  show();
}

function lineOf(label, difference, name) {
  const line = document.createElement("tr");
  line.className = name;
  const found = difference && tested(difference);
  const {a, b, value} = difference ?? {};
  const cells = [[label], [a, number], [b, number], [value, signed]];
  cells.push(found ? [found.low, () => `${signed(found.low)} to ${signed(found.high)}`] : [],
    found ? [found.p, (p) => p < 0.001 ? "< 0.001" : number(p)] : []);
  cells.forEach(([given, written], place) => {
    const cell = document.createElement(place ? "td" : "th");
    if (!place) cell.scope = "row";
    if (place && given !== undefined) cell.dataset.value = given;
    cell.textContent = given === undefined ? "\u2013" : place ? written(given) : given;
    line.append(cell);
  });
  return line;
}

function tally(differences) {
  const found = differences.map((each) => [tested(each), each.value]).filter(([test]) => test);
  const beyond = found.filter(([test]) => test.p <= 0.05);
  const greater = beyond.filter(([, value]) => value > 0).length;
  return `greater beyond chance in ${greater}, smaller in ${beyond.length - greater}`;
}

function show() {
  const slice = DATA.slices[document.getElementById("pick-slice").value];
  const [left, right] = ["a", "b"].map((name) =>
    slice.rows.find(([id]) => id === document.getElementById(`pick-${name}`).value));
  const same = left[1] !== "" && left[1] === right[1] && left !== right;
  const seeds = Math.max(left[3], right[3]);
  const between = seeds > 1 && left !== right ? left[4] + right[4] : 0;
  const cells = slice.columns.flatMap(([label, seen, counts], at) => {
    const [a, b] = [left[2][at], right[2][at]];
    if (a === null && b === null) return [];
    if (a && b) return [{label, seen, counts, difference: differenceOf(a, b, same, seeds)}];
    const alone = {a: a?.[0], b: b?.[0]};
    return [{label, seen, counts, difference: alone}];
  });
  const both = cells.filter((cell) => cell.difference.value !== undefined);
  const counting = both.filter((cell) => cell.counts).map((cell) => cell.difference);
  const lines = cells.map((cell) => lineOf(cell.label, cell.difference,
    `${cell.counts ? "" : "aside"}${cell.seen ? " seen" : ""}`));
  const wanted = slice.columns.filter((column) => column[2]).length;
  const label = `mean of the ${wanted} cell${wanted === 1 ? "" : "s"} that count`;
  const [means, body] = document.querySelectorAll("#pair tbody");
  means.replaceChildren(...(counting.length && counting.length === wanted
    ? [lineOf(label, meanOf(counting, between), "mean")] : []));
  body.replaceChildren(...lines);
  const heads = document.querySelectorAll("#pair thead th button");
  [left, right].forEach(([id], at) => { heads[at + 1].textContent = `${"AB"[at]}: ${DATA.titles[id]}`; });
  const what = `${slice.metric}, ${slice.conditionName}`;
  document.getElementById("told").textContent = !both.some((cell) => cell.difference.draws)
    ? left === right ? "A and B are one entry."
      : "The two were not scored on the same images, or one has no resamples: no interval."
    : `${what}: of ${counting.length} cells that count A is ${tally(counting)}; `
      + `of all ${both.length}, ${tally(both.map((cell) => cell.difference))}.`;
}

if (DATA.slices.length) setUp();
else document.getElementById("told").textContent = "No two entries were scored on the same images yet.";
window.addEventListener("hashchange", () => location.reload());
