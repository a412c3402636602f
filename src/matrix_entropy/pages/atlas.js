"use strict";
// The program of the atlas. What is chosen is in the form and in the address of the page; everything
// shown follows from it and from the data that the page holds.
const DATA = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("choice");
const find = (id) => document.getElementById(id);

const NORMS = {
  none: "as it is",
  width: "to what the width allows",
  bound: "to what width and number of rows allow",
  first: "less its value at the first layer",
};
const AXES = { layer: "layer", depth: "relative depth", size: "size of the model", step: "training step" };
const LAYER = "layer";
const DEPTH = "relative depth";
const MANY = 8; // models are chosen at first, but of checkpoints all

const runsOf = (dataset) => DATA.runs.filter((run) => run.dataset === dataset);
const unique = (values) => [...new Set(values)];
const several = (values) => unique(values).length > 1;
// Two models, or data sets, of one title are told apart by their names.
const titled = (entries, name) => {
  const { title } = entries[name];
  const alike = Object.values(entries).filter((entry) => entry.title === title);
  return alike.length > 1 ? `${title} (${name})` : title;
};
const called = (model) => titled(DATA.models, model);
const textsCalled = (dataset) => titled(DATA.datasets, dataset);
const words = (name) => (name === "all_rows" ? "all rows" : name.replaceAll("_", " "));
const shown = (value) =>
  value === null || value === undefined ? "–" : String(Number(value.toPrecision(4)));

// --- What is chosen -------------------------------------------------------------------------------

function ticked(id) {
  return [...find(id).querySelectorAll("input:checked")].map((box) => box.value);
}

function choice() {
  const chosen = Object.fromEntries(
    ["dataset", "metric", "view", "norm", "axis", "band", "picture"].map((key) => [key, form[key].value]),
  );
  return { ...chosen, layer: Number(form.layer.value), models: ticked("models"), groups: ticked("groups") };
}

function fillSelect(name, options, wanted) {
  const list = form[name];
  list.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  if (options.some(([value]) => value === wanted)) list.value = wanted;
}

function fillTicks(id, options, wanted) {
  find(id).replaceChildren(
    ...options.map(([value, text]) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      Object.assign(box, { type: "checkbox", value, checked: wanted.includes(value) });
      label.append(box, text);
      return label;
    }),
  );
}

// Offer what there is for the choices made so far, and keep of them what is still there.
function offer(wanted) {
  const datasets = unique(DATA.runs.map((run) => run.dataset));
  fillSelect("dataset", datasets.map((name) => [name, textsCalled(name)]), wanted.dataset);
  const runs = runsOf(form.dataset.value);
  const models = runs.map((run) => run.model);
  const kept = (wanted.models || []).filter((model) => models.includes(model));
  fillTicks("models", models.map((model) => [model, called(model)]), kept.length ? kept
    : models.some((model) => DATA.models[model].step !== null) ? models : models.slice(0, MANY));
  const chosen = runs.filter((run) => ticked("models").includes(run.model));
  const series = (chosen.length ? chosen : runs).flatMap((run) => run.series);
  const groups = unique(series.map((each) => each.group));
  const staying = (wanted.groups || []).filter((group) => groups.includes(group));
  fillTicks("groups", groups.map((group) => [group, group]), staying.length ? staying : groups);
  find("of-groups").hidden = groups.length < 2;
  fillSelect("view", unique(series.map((each) => each.view)).map((view) => [view, words(view)]), wanted.view);
  const numbers = Object.keys(DATA.metrics).filter((name) =>
    series.some((each) => each.view === form.view.value && name in each.means),
  );
  fillSelect("metric", numbers.map((name) => [name, words(name)]), wanted.metric);
  const kind = DATA.metrics[form.metric.value].kind;
  const norms = Object.entries(NORMS).filter(([norm]) => kind || norm === "none" || norm === "first");
  fillSelect("norm", norms, wanted.norm);
  const known = chosen.map((run) => DATA.models[run.model]);
  const deep = chosen.some((run) => run.layers.length > 1);
  const axes = Object.entries(AXES).filter(
    ([axis]) =>
      (axis === "size" && several(known.map((model) => model.parameters))) ||
      (axis === "step" && several(known.map((model) => model.step).filter((step) => step !== null))) ||
      ["layer", "depth"].includes(axis),
  );
  const usual = axes.some(([axis]) => axis === "step") ? "step" : axes.some(([axis]) => axis === "size") ? "size" : "layer";
  fillSelect("axis", axes, wanted.axis || (deep && usual !== "step" ? "layer" : usual));
  if (wanted.band) form.band.value = wanted.band;
  if (wanted.picture) form.picture.value = wanted.picture;
  form.layer.max = Math.max(1, ...chosen.map((run) => run.layers.length)) - 1;
  form.layer.value = wanted.layer ?? form.layer.max;
  form.layer.disabled = Number(form.layer.max) === 0;
}

// --- The numbers of a choice ----------------------------------------------------------------------

// Position of the chosen layer in a run: the same number along layers, else the same relative depth;
// the last is the last of every run.
function chosenLayer(run, chosen) {
  if (chosen.axis === "layer" && chosen.layer < Number(form.layer.max)) return chosen.layer;
  return Math.round((chosen.layer / Math.max(1, Number(form.layer.max))) * (run.layers.length - 1));
}

function normalised(run, each, chosen, at) {
  const means = each.means[chosen.metric] || [];
  const value = means[at] ?? null;
  if (value === null) return { value: null, spread: null };
  const kind = DATA.metrics[chosen.metric].kind;
  const logs = Math.log(run.width) * (chosen.norm === "bound" ? each.bound[at] : 1);
  const most = chosen.norm === "none" || chosen.norm === "first" ? 1 : kind === "entropy" ? logs : Math.exp(logs);
  const count = (each.counts[chosen.metric] || [])[at] ?? null;
  const deviation = (each.stds[chosen.metric] || [])[at] ?? null;
  const first = chosen.norm === "first" ? means.find((mean) => mean !== null) : 0;
  // The deviation of a difference between layers does not follow from those of the layers.
  const known = deviation !== null && chosen.norm !== "first" && chosen.band !== "none"
    && (chosen.band === "sd" || count !== null);
  const scale = chosen.band === "se" ? Math.sqrt(count) : 1;
  return { value: value / most - first, spread: known ? deviation / most / scale : null, count };
}

function rowsOf(chosen) {
  const rows = [];
  for (const run of runsOf(chosen.dataset).filter((each) => chosen.models.includes(each.model))) {
    const model = DATA.models[run.model];
    for (const each of run.series) {
      if (each.view !== chosen.view || !chosen.groups.includes(each.group)) continue;
      run.layers.forEach((layer, at) => {
        const { value, spread, count } = normalised(run, each, chosen, at);
        if (value === null) return;
        const place = run.places[at];
        rows.push({
          model: called(run.model), name: run.model, family: model.family, group: each.group,
          of: model.of ?? run.model, layer, at, place, depth: place / (run.blocks + 1), blocks: run.blocks, parameters: model.parameters,
          step: model.step, value, spread, count, low: spread === null ? value : value - spread,
          high: spread === null ? value : value + spread, chosen: at === chosenLayer(run, chosen),
        });
      });
    }
  }
  return rows;
}

// What tells a row from the others that are shown: its model, its group, both.
function telling(rows) {
  const parts = ["model", "group"].filter((part) => several(rows.map((row) => row[part])));
  return (row) => (parts.length ? parts : ["group"]).map((part) => row[part]).join(" · ");
}

// --- The picture ----------------------------------------------------------------------------------

function ordinate(chosen) {
  const unit = DATA.metrics[chosen.metric].unit;
  const share = chosen.norm === "width" || chosen.norm === "bound";
  const of = chosen.norm === "none" ? "" : `, ${NORMS[chosen.norm]}`;
  return `mean ${words(chosen.metric)}${of}${unit && !share ? ` (${unit})` : ""}`;
}

function abscissa(chosen) {
  return {
    layer: { field: "place", title: LAYER, scale: { nice: false, zero: false }, axis: { tickMinStep: 1 } },
    depth: { field: "depth", title: DEPTH },
    size: { field: "parameters", title: "parameters", scale: { type: "log" }, axis: { format: "~s" } },
    step: { field: "step", title: "training step", scale: { type: "symlog" }, axis: { format: "~s" } },
  }[chosen.axis];
}

function colouring(rows, field) {
  const names = unique(rows.map((row) => row[field]));
  const scale = names.length > DATA.colours.length ? { domain: names, scheme: "viridis" }
    : { domain: names, range: DATA.colours.slice(0, names.length) };
  const legend = names.length > 1 ? { columns: 2, labelLimit: 400 } : null;
  return { field, type: "nominal", scale, title: null, legend };
}

const TIPS = ["model", "group", "layer", "value", "spread", "count"].map((field) => ({
  field, type: "nominal", title: { spread: "±", count: "texts" }[field] ?? field,
}));

function lines(rows, chosen) {
  const along = ["size", "step"].includes(chosen.axis);
  const drawn = along ? rows.filter((row) => row.chosen) : rows;
  const by = { size: "family", step: "of" }[chosen.axis] ?? "model";
  const field = several(drawn.map((row) => row[by])) ? by : "group";
  const groups = unique(drawn.map((row) => row.group));
  const apart = field !== "group" && groups.length > 1;
  const legend = { title: null, columns: 2, labelLimit: 400 };
  const dash = apart ? { strokeDash: { field: "group", type: "nominal", scale: { domain: groups }, legend } } : {};
  const shape = apart ? { shape: { field: "group", type: "nominal", legend,
    scale: { domain: groups, range: groups.map((_, at) => DATA.shapes[at % DATA.shapes.length]) } } } : {};
  const x = { type: "quantitative", ...abscissa(chosen) };
  const y = { field: "value", type: "quantitative", title: ordinate(chosen), scale: { zero: false } };
  const color = colouring(drawn, field);
  const detail = [{ field: by, type: "nominal" }, { field: "group", type: "nominal" }];
  const at = unique(rows.filter((row) => row.chosen).map((row) => row[chosen.axis === "layer" ? "place" : "depth"]));
  const rule = { data: { values: at.slice(0, 1).map((here) => ({ here })) }, mark: { type: "rule", color: "#8a8a8a", strokeDash: [2, 3] },
    encoding: { x: { field: "here", type: "quantitative" } } };
  return {
    data: { values: drawn },
    layer: [
      { mark: { type: "area", opacity: 0.15 }, encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color, detail } },
      { mark: { type: "line" }, encoding: { x, y, color, detail, ...dash } },
      { mark: { type: "point", filled: true, size: 40 }, encoding: { x, y, color, detail, ...shape, tooltip: TIPS } },
      ...(along ? [] : [rule]),
    ],
  };
}

function heat(rows, chosen) {
  const label = telling(rows);
  const color = { field: "value", type: "quantitative", scale: { scheme: "viridis" }, title: ordinate(chosen),
    legend: { orient: "top", gradientLength: 240, titleLimit: 500 } };
  if (chosen.axis === "step") {
    const steps = rows.filter((row) => row.step !== null);
    return { data: { values: steps.map((row) => ({ ...row, row: several(rows.map((each) => each.group)) ? `${row.layer} · ${row.group}` : row.layer })) }, mark: "rect", encoding: {
      x: { field: "step", type: "ordinal", title: "training step" }, color, tooltip: TIPS,
      y: { field: "row", type: "nominal", sort: null, title: "layer" } } };
  }
  const half = (row) => (chosen.axis === "layer" ? 0.5 : 0.5 / (row.blocks + 1));
  const ordered = chosen.axis === "size" ? [...rows].sort((a, b) => a.parameters - b.parameters) : rows;
  const values = ordered.map((row) => {
    const middle = chosen.axis === "layer" ? row.place : row.depth;
    return { ...row, row: label(row), from: middle - half(row), to: middle + half(row) };
  });
  const title = chosen.axis === "layer" ? LAYER : DEPTH;
  return { data: { values }, height: { step: 22 }, mark: "rect", encoding: {
    x: { field: "from", type: "quantitative", title, scale: { nice: false }, axis: { grid: false } }, x2: { field: "to" },
    y: { field: "row", type: "nominal", sort: null, title: null, axis: { labelLimit: 180 } }, color, tooltip: TIPS } };
}

let drawing = Promise.resolve();

function draw(rows, chosen, said) {
  const spec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json", // a name, nothing is fetched
    description: said, width: "container", height: 340, autosize: { type: "fit-x", contains: "padding" }, background: null,
    ...(chosen.picture === "heat" ? heat(rows, chosen) : lines(rows, chosen)),
    config: { font: getComputedStyle(document.body).fontFamily, view: { stroke: null },
      axis: { gridColor: "#e6e6e6", labelFlush: false, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" },
      legend: { orient: "bottom", symbolOpacity: 1, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" } },
  };
  const actions = { export: true, source: false, compiled: false, editor: false };
  drawing = drawing.then(() => window.embed("#chart", spec, { renderer: "svg", actions }));
}

// --- The tables -----------------------------------------------------------------------------------

function cell(tag, text, name) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  if (tag === "th") made.scope = name === "row" ? "row" : "col";
  return made;
}

function fillTable(id, caption, head, body) {
  const table = find(id);
  table.replaceChildren(cell("caption", caption));
  table.createTHead().insertRow().append(...head.map((text) => cell("th", text)));
  const inside = table.createTBody();
  for (const cells of body) inside.insertRow().append(...cells);
}

function tabulate(rows, chosen) {
  // The last normalisation comes after every block.
  const order = (layer) => (layer === "final" ? Infinity : Number(layer));
  const names = unique(rows.map((row) => row.layer)).sort((a, b) => (order(a) < order(b) ? -1 : 1));
  const lists = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row.name, row.group]);
    if (!lists.has(key)) lists.set(key, { row, values: {} });
    lists.get(key).values[row.layer] = row.value;
  }
  const label = telling(rows);
  const body = [...lists.values()].map(({ row, values }) => [
    cell("th", label(row), "row"), cell("td", row.count === null ? "–" : String(row.count), "number"),
    ...names.map((layer) => cell("td", shown(values[layer]), "number")),
  ]);
  fillTable("numbers", `${ordinate(chosen)}, by layer`, ["", "texts", ...names], body);
}

function tabulateTexts(rows, chosen) {
  const label = telling(rows);
  const dataset = DATA.datasets[chosen.dataset];
  const body = [];
  for (const run of runsOf(chosen.dataset).filter((each) => chosen.models.includes(each.model))) {
    const at = chosenLayer(run, chosen);
    for (const [group, layers] of Object.entries(run.extremes[chosen.metric] || {})) {
      if (!chosen.groups.includes(group)) continue;
      for (const [id, value] of layers[at] || []) {
        const text = DATA.texts[chosen.dataset][id];
        body.push([cell("th", label({ model: called(run.model), group }), "row"), cell("td", run.layers[at]),
          cell("td", shown(value), "number"), cell("td", id), cell("td", String(text.tokens), "number"),
          cell("td", text.text ?? "–", "words")]);
      }
    }
  }
  const unit = DATA.metrics[chosen.metric].unit;
  const licence = dataset.licence ? ` Licence of the texts: ${dataset.licence}.` : "";
  const why = dataset.shown ? licence
    : " The texts are not shown, since their entry names no open licence or the run started from an archive.";
  find("of-texts").textContent = body.length
    ? `Of all rows, as it is, at the chosen layer: first the lowest, then the highest.${why}`
    : "This number is one of all texts together, or of no text at this layer.";
  fillTable("texts", `${words(chosen.metric)}${unit ? ` (${unit})` : ""} of single texts`,
    ["", "layer", "value", "text", "tokens", "it begins"], body);
}

function save(rows, chosen) {
  const columns = ["dataset", "model", "group", "rows", "metric", "normalised", "layer", "depth", "parameters", "step", "value", "band", "spread", "texts"];
  const quoted = (value) => (/[",\n]/.test(String(value ?? "")) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
  const lines = rows.map((row) => [chosen.dataset, row.name, row.group, chosen.view, chosen.metric, NORMS[chosen.norm],
    row.layer, row.depth, row.parameters, row.step, row.value, row.spread === null ? "" : chosen.band, row.spread, row.count].map(quoted).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([[columns.join(","), ...lines, ""].join("\n")], { type: "text/csv" }));
  link.download = `${chosen.dataset}_${chosen.metric}.csv`;
  link.click();
}

// --- All of it ------------------------------------------------------------------------------------

function sentence(rows, chosen) {
  const here = rows.filter((row) => row.chosen);
  if (!here.length) return "Nothing is chosen, or what is chosen has no value: choose a model and a group.";
  const ordered = [...here].sort((a, b) => a.value - b.value);
  const label = telling(rows);
  const tell = (row) => `${shown(row.value)} (${label(row)})`;
  const layer = unique(here.map((row) => row.layer)).join(", ");
  const range = here.length === 1 ? tell(ordered[0]) : `from ${tell(ordered[0])} to ${tell(ordered.at(-1))}`;
  const models = unique(rows.map((row) => row.model));
  const of = models.length === 1 ? `${models[0]}, ` : "";
  return `${of}${textsCalled(chosen.dataset)}, ${words(chosen.view)}, layer ${layer}: ${ordinate(chosen)} is ${range}.`;
}

function show() {
  const chosen = choice();
  const rows = rowsOf(chosen);
  const metric = DATA.metrics[chosen.metric];
  const said = sentence(rows, chosen);
  find("says").textContent = `${words(chosen.metric)}: ${metric.says}${metric.unit ? `, in ${metric.unit}` : ""}.`;
  find("said").textContent = said;
  find("at").textContent = unique(rows.filter((row) => row.chosen).map((row) => row.layer)).join(", ") || "none";
  find("stand-ins").hidden = !chosen.models.some((model) => DATA.models[model].stand_in);
  const bands = { sd: "one standard deviation over the texts", se: "one standard error of the mean over the texts" };
  const banded = rows.some((row) => row.spread) && chosen.picture === "lines";
  const models = unique(rows.map((row) => row.model));
  const of = models.length === 1 ? `${models[0]} on ` : "";
  find("caption").textContent = `${of}${textsCalled(chosen.dataset)}. ${banded ? `Bands are ${bands[chosen.band]} to either side.` : "No bands."} Layer 0 (depth 0) is the embeddings, the last (depth 1) comes after the last normalisation.`;
  draw(rows, chosen, said);
  tabulate(rows, chosen);
  tabulateTexts(rows, chosen);
  const address = Object.entries(chosen).map(([key, value]) => `${key}=${[value].flat().map(encodeURIComponent).join(",")}`);
  history.replaceState(null, "", `#${address.join("&")}`);
}

function fromAddress() {
  const found = {};
  for (const part of location.hash.slice(1).split("&").filter((each) => each.includes("="))) {
    const [key, value] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
    const parts = value.split(",").map(decodeURIComponent);
    found[key] = ["models", "groups"].includes(key) ? parts : parts[0];
  }
  if (found.layer !== undefined) found.layer = Number(found.layer);
  return found;
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", () => { offer(choice()); show(); });
form.layer.addEventListener("input", show);
find("all").addEventListener("click", () => {
  find("models").querySelectorAll("input").forEach((box) => { box.checked = true; });
  offer(choice()); show();
});
find("first").addEventListener("click", () => {
  find("models").querySelectorAll("input").forEach((box, at) => { box.checked = at === 0; });
  offer(choice()); show();
});
find("csv").addEventListener("click", () => { const chosen = choice(); save(rowsOf(chosen), chosen); });
window.addEventListener("hashchange", () => { offer(fromAddress()); show(); });
offer(fromAddress());
show();
