"use strict";
// Draws the charts of a report, and makes its tables sortable. The data are those of charts.py.
(function () {
  const runs = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const state = { theme: "light", selected: new Map(), isPrinted: false };

  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const colour = (number) => { const all = css("--series").split(/\s+/); return all[number % all.length]; };
  const powerScale = () => css("--power").split(/\s+/).map((one, k) => [[0, 0.35, 0.65, 1][k], one]);
  const axis = (title, more) => ({
    title: { text: title, standoff: 6 }, gridcolor: css("--grid"), zerolinecolor: css("--grid"),
    linecolor: css("--line"), ticks: "outside", tickcolor: css("--line"), showline: true, mirror: true,
    automargin: true, ...more,
  });
  const layout = (x, y, more) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: css("--ink") },
    margin: { l: 55, r: 12, t: 10, b: 42 }, xaxis: x, yaxis: y, hovermode: "closest",
    hoverlabel: { bgcolor: css("--panel"), bordercolor: css("--line"), font: { color: css("--ink") }, align: "left" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--soft"), activecolor: css("--accent") },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, ...more,
  });
  const CONFIG = { responsive: true, displaylogo: false, displayModeBar: "hover", modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], toImageButtonOptions: { format: "svg" } };
  // Paper has another width than the window, and is printed before a chart would follow it by itself.
  const isDrawn = (trace) => trace.type === "heatmap" || trace.y.some((one) => one !== null);
  const draw = (element, traces, form) => Plotly.react(element, traces.map((one) => (isDrawn(one) ? one : { ...one, showlegend: false })), { ...form, ...(state.isPrinted ? { width: element.clientWidth, height: element.clientHeight } : {}) }, CONFIG);
  const bars = (errors, color) => errors && { type: "data", array: errors, visible: true, thickness: 1, width: 0, color };

  // What a mode shows when the pointer is over it
  const escaped = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const facts = (modes, set) => modes.names.map((name, k) => `${escaped(name)}: ${escaped(modes.facts[set][k])}`).join("<br>");

  // The numbers at 1, 2 and 5 of each decade: by itself plotly writes 5 for 0.5.
  const DECADES = Array.from({ length: 25 }, (_, k) => k - 12);
  const FEW = DECADES.flatMap((k) => [1, 2, 5].map((digit) => Number(`${digit}e${k}`)));
  const logAxis = (title) => axis(title, { type: "log", tickvals: FEW, ticktext: FEW.map(String) });

  function pathAxis(bands) {
    const ends = bands.x.filter((x) => x !== null);
    const ticks = bands.ticks ? { tickmode: "array", tickvals: bands.ticks, ticktext: bands.labels, showgrid: true, gridcolor: css("--soft") } : {};
    return axis("", { range: [ends[0], ends[ends.length - 1]], ...ticks });
  }

  const CHARTS = {
    bands(run, element, select) {
      const { bands, map, modes } = run;
      const traces = [], places = modes ? modes.on_path.flatMap((list, set) => list.map((x) => ({ x, set }))) : [];
      if (map) traces.push({
        type: "heatmap", x: map.x, y: map.freq, z: map.z, hoverinfo: "skip", colorscale: powerScale(),
        colorbar: { title: { text: "spectral kinetic energy (meV/THz)", side: "right" }, thickness: 10, outlinewidth: 0, dtick: 1, tickprefix: "10<sup>", ticksuffix: "</sup>" },
      });
      bands.freq.forEach((freq, branch) => traces.push({
        x: bands.x, y: freq, mode: "lines", line: { color: map ? css("--accent") : colour(0), width: map ? 1 : 1.6 }, showlegend: false,
        // Labels of lines would hide those of the modes, which lie on them.
        ...(places.length ? { hoverinfo: "skip" } : { text: bands.sem ? bands.sem[branch].map((sem) => ` ± ${sem}`) : [], hovertemplate: `branch ${branch + 1}: %{y:.4g}%{text} THz<extra></extra>` }),
      }));
      if (places.length) {
        const y = ({ set }) => modes.measured[set] ?? modes.freq[set];
        traces.push({
          x: places.map((one) => one.x), y: places.map(y), customdata: places.map((one) => one.set), mode: "markers", name: "modes of the supercell", showlegend: false,
          marker: { size: 7, color: places.map(({ set }) => (modes.resolved[set] ? css("--accent") : css("--paper"))), line: { color: css("--accent"), width: 1.4 } },
          text: places.map(({ set }) => facts(modes, set)), hovertemplate: "%{text}<extra></extra>",
        });
      }
      const top = Math.max(map?.highest ?? 0, 1.06 * Math.max(...bands.freq.flat().filter((f) => f !== null)));
      const low = Math.min(0, ...bands.freq.flat().filter((f) => f !== null));
      draw(element, traces, layout(pathAxis(bands), axis("frequency (THz)", { range: [low < -0.02 * top ? 1.1 * low : 0, top] })));
      if (places.length) choosable(element, places.map(({ x, set }) => ({ x, y: modes.measured[set] ?? modes.freq[set], set })), select);
    },
    line(run, element, _select, set) {
      const { lines } = run;
      draw(element, [
        { x: lines.freq[set], y: lines.power[set], mode: "markers", marker: { size: 4, color: css("--soft") }, name: "spectrum" },
        { x: lines.freq[set], y: lines.model[set], mode: "lines", line: { color: colour(1), width: 2 }, name: "fit" },
      ], layout(axis("frequency (THz)"), axis("meV/THz"), { margin: { l: 55, r: 8, t: 4, b: 38 } }));
    },
    decay(run, element, _select, set) {
      const { decays } = run;
      draw(element, [
        { x: decays.lag[set], y: decays.acf[set], error_y: bars(decays.sem[set], css("--soft")), mode: "markers", marker: { size: 4, color: css("--soft") }, name: "energy autocorrelation" },
        { x: decays.lag[set], y: decays.model[set], mode: "lines", line: { color: colour(1), width: 2 }, name: "fit" },
      ], layout(axis("time (ps)", { type: "log", dtick: 1 }), axis("", { range: [-0.2, 1.1] }), { margin: { l: 40, r: 8, t: 4, b: 38 } }));
    },
    lifetimes(run, element, select) {
      const { lifetimes, modes } = run;
      const x = modes.freq, sets = x.map((_, set) => set), text = sets.map((set) => facts(modes, set));
      const trace = (y, sem, name, color, symbol) => ({ x, y, error_y: bars(sem, color), mode: "markers", name, customdata: sets, text, hovertemplate: "%{text}<extra></extra>", marker: { color, symbol, size: 7 } });
      const traces = [trace(lifetimes.line, lifetimes.line_sem, "from the line", colour(0), "circle")];
      if (lifetimes.energy) traces.push(trace(lifetimes.energy, lifetimes.energy_sem, "from the energy", colour(1), "square-open"));
      if (lifetimes.limit.some((one) => one !== null)) traces.push(trace(lifetimes.limit, null, "lower limit", colour(0), "triangle-up-open"));
      draw(element, traces, layout(axis("harmonic frequency (THz)"), logAxis(lifetimes.title)));
      const known = (set) => lifetimes.line[set] ?? lifetimes.energy?.[set] ?? lifetimes.limit[set];
      choosable(element, sets.filter((set) => Number.isFinite(known(set))).map((set) => ({ x: x[set], y: known(set), set })), select);
    },
    temperatures(run, element, select) {
      const { temperatures, modes } = run;
      const sets = modes.freq.map((_, set) => set);
      draw(element, [{ x: modes.freq, y: temperatures.value, error_y: bars(temperatures.sem, colour(0)), mode: "markers", customdata: sets, text: sets.map((set) => facts(modes, set)), hovertemplate: "%{text}<extra></extra>", marker: { color: colour(0), size: 6 } }],
        layout(axis("harmonic frequency (THz)"), axis("mode temperature (K)"), { showlegend: false, shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: temperatures.mean, y1: temperatures.mean, line: { color: css("--soft"), width: 1.2, dash: "dash" } }] }));
      choosable(element, sets.filter((set) => temperatures.value[set] !== null).map((set) => ({ x: modes.freq[set], y: temperatures.value[set], set })), select);
    },
    density(run, element) {
      const names = Object.keys(run.density.curves);
      draw(element, names.map((name, k) => ({ x: run.density.freq, y: run.density.curves[name], mode: "lines", name, line: { color: name === "total" ? css("--ink") : colour(k), width: 1.6 } })),
        layout(axis("frequency (THz)", { range: [0, 1.1 * highest(run)] }), axis("states per THz and cell", { rangemode: "tozero" }), { showlegend: names.length > 1 }));
    },
    convergence(run, element) {
      draw(element, [{ x: run.convergence.fraction, y: run.convergence.change, mode: "lines+markers", line: { color: colour(0) }, hovertemplate: "%{x:.2f} of the run: %{y:.3g} × 10⁻³ THz<extra></extra>" }],
        layout(axis("part of the run"), axis("rms change (10⁻³ THz)", { rangemode: "tozero" })));
    },
    spectral(run, element) {
      draw(element, [{ x: run.conductivity.freq, y: run.conductivity.spectral, mode: "lines", line: { color: colour(0) } }], layout(axis("frequency (THz)"), axis("W/(m K THz)", { rangemode: "tozero" })));
    },
    cumulative(run, element) {
      draw(element, [{ x: run.conductivity.path, y: run.conductivity.cumulative, mode: "lines", line: { color: colour(0) } }], layout(axis("mean free path (nm)", { type: "log", dtick: 1 }), axis("κ of shorter paths (W/(m K))", { rangemode: "tozero" })));
    },
  };
  const NEEDS = { line: "lines", decay: "decays", spectral: "conductivity", cumulative: "conductivity" };
  const highest = (run) => Math.max(...(run.modes ? run.modes.freq : run.density.freq).filter((f) => f !== null));

  // Modes of a chart are chosen with the pointer, or with the arrow keys: left and right go to the next place
  // along the axis, up and down to the next mode at the same place. A ring is about the chosen mode.
  const PLACES = new WeakMap();
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  function neighbour(places, from, [along, up]) {
    const apart = (one) => (along ? [along * (one.x - from.x), Math.abs(one.y - from.y)] : [up * (one.y - from.y), 0]);
    const there = places.filter((one) => apart(one)[0] > 0 && (along || one.x === from.x));
    return there.sort((a, b) => apart(a)[0] - apart(b)[0] || apart(a)[1] - apart(b)[1])[0];
  }
  function ring(element, set) {
    const known = PLACES.get(element);
    if (known.at?.set !== set) known.at = known.places.find((one) => one.set === set);
    const here = known.places.filter((one) => one.set === set).sort((a, b) => (b === known.at) - (a === known.at)), last = element.data.length - 1;
    const trace = { x: here.map((one) => one.x), y: here.map((one) => one.y), mode: "markers", name: "chosen", hoverinfo: "skip", showlegend: false, marker: { symbol: "circle-open", size: 16, color: css("--chosen"), line: { width: 3.5 } } };
    if (element.data[last].name === trace.name) Plotly.restyle(element, { x: [trace.x], y: [trace.y] }, [last]);
    else Plotly.addTraces(element, trace);
  }
  function choosable(element, places, select) {
    PLACES.set(element, { places });
    element.tabIndex = 0;
    element.setAttribute("role", "application");
    element.setAttribute("aria-roledescription", "chart whose modes the arrow keys choose");
    element.onkeydown = (event) => {
      const known = PLACES.get(element), step = STEPS[event.key];
      if (!step || !known.at) return;
      event.preventDefault();
      const next = neighbour(known.places, known.at, step);
      if (next) { known.at = next; select(next.set); }
    };
    element.removeAllListeners("plotly_click");
    element.on("plotly_click", (event) => {
      const point = event.points.find((one) => Number.isInteger(one.customdata));
      if (point) select(point.customdata);
    });
  }

  const article = (number) => document.querySelector(`article[data-run="${number}"]`);

  function showMode(number, set) {
    const run = runs[number], page = article(number), modes = run.modes;
    state.selected.set(number, set);
    page.querySelector(".mode-choice").value = set;
    for (const row of page.querySelectorAll("tr.linked")) row.setAttribute("aria-selected", Number(row.dataset.set) === set);
    const list = page.querySelector(".facts");
    list.replaceChildren(...modes.names.map((name, k) => {
      const item = document.createElement("div"), head = document.createElement("dt"), value = document.createElement("dd");
      head.textContent = name; value.textContent = modes.facts[set][k];
      item.append(head, value);
      return item;
    }));
    page.querySelector(".advice").replaceChildren(...(modes.advice[set] ?? []).map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    for (const name of ["line", "decay"]) {
      const element = page.querySelector(`[data-chart="${name}"]`), known = run[NEEDS[name]] !== undefined;
      element.hidden = !known;
      if (known) CHARTS[name](run, element, null, set);
    }
    for (const element of page.querySelectorAll("[data-chart]")) if (PLACES.has(element)) ring(element, set);
  }

  function showRun(number) {
    const run = runs[number], page = article(number);
    document.querySelectorAll("article.run").forEach((one) => { one.hidden = one !== page; });
    page.querySelectorAll("[data-needs]").forEach((one) => { one.hidden = run[one.dataset.needs] === undefined; });
    const select = run.modes ? (set) => showMode(number, set) : () => {};
    for (const element of page.querySelectorAll("[data-chart]")) {
      const name = element.dataset.chart;
      if (name !== "line" && name !== "decay" && run[NEEDS[name] ?? name] !== undefined) CHARTS[name](run, element, select);
    }
    if (run.modes && run.bands) showMode(number, state.selected.get(number) ?? run.modes.first);
  }

  function showOverlay() {
    const element = document.getElementById("overlay-bands");
    if (!element) return;
    const known = runs.filter((run) => run.bands);
    element.hidden = known.length === 0;
    if (known.length === 0) return;
    const last = (bands) => Math.max(...bands.x.filter((x) => x !== null));
    const scale = (bands) => last(known[0].bands) / last(bands);
    const traces = known.flatMap((run, k) => run.bands.freq.map((freq, branch) => ({
      x: run.bands.x.map((x) => (x === null ? null : x * scale(run.bands))), y: freq, mode: "lines", name: run.name, legendgroup: run.name, showlegend: branch === 0,
      line: { color: colour(k), width: 1.5 }, hovertemplate: `${escaped(run.name)}, branch ${branch + 1}: %{y:.4g} THz<extra></extra>`,
    })));
    draw(element, traces, layout(pathAxis(known[0].bands), axis("frequency (THz)")));
  }

  // Tables: 1.234(56), <0.3 and >3.9* are sorted by their number; rows without one are last.
  const numberOf = (text) => parseFloat(text.replace(/[−]/g, "-").replace(/^[<>≥]/, ""));
  function sortBy(table, column) {
    const head = table.tHead.rows[0].cells[column], up = head.getAttribute("aria-sort") !== "ascending";
    for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, text: row.cells[column].textContent, number: numberOf(row.cells[column].textContent) }));
    const numeric = !head.classList.contains("text");
    rows.sort((a, b) => {
      if (numeric && Number.isNaN(a.number) !== Number.isNaN(b.number)) return Number.isNaN(a.number) ? 1 : -1;
      const order = numeric && !Number.isNaN(a.number) ? a.number - b.number : a.text.localeCompare(b.text);
      return up ? order : -order;
    });
    table.tBodies[0].append(...rows.map((one) => one.row));
  }
  function asCsv(table) {
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
    return [...table.rows].filter((row) => !row.hidden).map((row) => [...row.cells].map((cell) => quoted(cell.innerText.trim().replace(/\s+/g, " "))).join(",")).join("\n");
  }
  function prepareTable(block) {
    const table = block.querySelector("table.sortable");
    if (!table) return;
    const heads = [...table.tHead.rows[0].cells], rows = [...table.tBodies[0].rows];
    heads.forEach((head, column) => {
      const isText = rows.length > 0 && rows.every((row) => Number.isNaN(numberOf(row.cells[column].textContent)) || /^[^\d<>≥(+.−-]|\d\s+[\d-]/.test(row.cells[column].textContent));
      if (isText) [head, ...rows.map((row) => row.cells[column])].forEach((cell) => cell.classList.add("text"));
      head.tabIndex = 0;
      head.addEventListener("click", () => sortBy(table, column));
      head.addEventListener("keydown", (event) => { if (event.key === "Enter") sortBy(table, column); });
    });
    block.querySelector('input[type="search"]').addEventListener("input", (event) => {
      const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    });
    block.querySelector("button.csv").addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([asCsv(table)], { type: "text/csv" }));
      link.download = `${block.dataset.name.replace(/\W+/g, "-")}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  function current() {
    const choice = document.getElementById("which");
    return choice ? Number(choice.value) : 0;
  }
  function showAll() { showOverlay(); showRun(current()); }
  function setTheme(theme) { state.theme = theme; root.dataset.theme = theme; showAll(); }

  runs.forEach((run, number) => {
    const choice = article(number).querySelector(".mode-choice");
    if (!run.modes) return;
    choice.replaceChildren(...run.modes.facts.map((row, set) => new Option(`${row[0]}, branch ${row[1]}: ${row[2]} THz`, set)));
    choice.addEventListener("change", () => showMode(number, Number(choice.value)));
  });
  document.querySelectorAll(".table").forEach(prepareTable);
  document.querySelectorAll("article.run").forEach((page) => {
    // A row of the table of modes shows its mode.
    const table = page.querySelector('.table[data-name="sets of modes"] table'), number = Number(page.dataset.run);
    if (!table || !runs[number].modes || !runs[number].bands) return;
    [...table.tBodies[0].rows].forEach((row, set) => {
      row.classList.add("linked");
      row.dataset.set = set;
      row.tabIndex = 0;
      row.addEventListener("click", () => showMode(number, set));
      row.addEventListener("keydown", (event) => {
        const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
        let other = step && row[step];
        while (other && other.hidden) other = other[step];
        if (other) other.focus();
        if (event.key === "Enter" || event.key === " ") showMode(number, set);
        if (step || event.key === " ") event.preventDefault();
      });
    });
  });
  document.getElementById("which")?.addEventListener("change", showAll);
  document.getElementById("theme").addEventListener("click", () => setTheme(state.theme === "dark" ? "light" : "dark"));
  let screen;
  window.addEventListener("beforeprint", () => {
    screen = state.theme;
    state.isPrinted = true;
    root.classList.add("printed");
    setTheme("light");
    // On paper, the table of modes is wanted too.
    article(current()).querySelector(".table")?.setAttribute("open", "");
  });
  window.addEventListener("afterprint", () => {
    state.isPrinted = false;
    root.classList.remove("printed");
    setTheme(screen);
    document.querySelectorAll(".js-plotly-plot").forEach((one) => { if (one.clientWidth) Plotly.Plots.resize(one); });
  });
  setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  performance.mark("drawn");
})();
