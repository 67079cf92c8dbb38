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

function paired(left, right) {
  const a = drawsOf(left), b = drawsOf(right);
  const each = a.map((value, at) => value - b[at]);
  const mean = each.reduce((sum, value) => sum + value, 0) / each.length;
  const spread = Math.sqrt(each.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (each.length - 1));
  return spread;
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
    [String(at), `${each.protocol}, ${each.level}, ${each.conditionName}`]);
  const slice = DATA.slices[given.get("slice") ?? 0] ?? DATA.slices[0];
  const entries = slice.rows.map(([id]) => [id, DATA.titles[id]]);
  if (!given.has("b") && entries.length > 1) given.set("b", entries[1][0]);
  document.getElementById("controls").replaceChildren(
    picker("slice", "Protocol", slices), picker("a", "A", entries), picker("b", "B", entries));
  show();
}

function show() {
  const slice = DATA.slices[document.getElementById("pick-slice").value];
  const [left, right] = ["a", "b"].map((name) =>
    slice.rows.find(([id]) => id === document.getElementById(`pick-${name}`).value));
  const body = document.querySelector("#pair tbody");
  const same = left[1] !== "" && left[1] === right[1];
  let wins = 0, losses = 0;
  body.replaceChildren(...slice.columns.flatMap(([label, seen], at) => {
    const [a, b] = [left[2][at], right[2][at]];
    if (a === null && b === null) return [];
    const line = document.createElement("tr");
    const texts = [label, a ? number(a[0]) : "\u2013", b ? number(b[0]) : "\u2013", "\u2013", "\u2013", "\u2013"];
    if (a && b) {
      const difference = a[0] - b[0];
      texts[3] = signed(difference);
      if (same && a.length > 1 && b.length > 1 && left !== right) {
        const spread = paired(a, b);
        const p = spread > 0 ? twoSided(Math.abs(difference) / spread) : difference === 0 ? 1 : 0;
        texts[4] = `${signed(difference - 1.96 * spread)} to ${signed(difference + 1.96 * spread)}`;
        texts[5] = p < 0.001 ? "< 0.001" : number(p);
        wins += p <= 0.05 && difference > 0;
        losses += p <= 0.05 && difference < 0;
      }
    }
    texts.forEach((text, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) cell.scope = "row";
      if (!place && seen) cell.title = "the forgeries were seen in training";
      cell.textContent = text;
      line.append(cell);
    });
    return [line];
  }));
  document.getElementById("told").textContent = same
    ? `${slice.metric}, ${slice.conditionName}: A is greater beyond chance in ${wins}, smaller in ${losses} of ${body.rows.length} cells.`
    : "The two were not scored on the same images, or one has no resamples: no interval.";
}

if (DATA.slices.length) setUp();
else document.getElementById("told").textContent = "No two entries were scored on the same images yet.";
window.addEventListener("hashchange", () => location.reload());
