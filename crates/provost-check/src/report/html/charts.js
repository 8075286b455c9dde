"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (value) => (value == null ? "\u2013" : String(+value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)));

  // Findings as bands from their first to their last place, with their names.
  const marked = (marks, named) => (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([]);
    marks.forEach((mark, row) => {
      const from = u.valToPos(mark.from, "x", true);
      const to = u.valToPos(mark.to, "x", true);
      ctx.fillStyle = ctx.strokeStyle = style(`--${mark.level}`);
      ctx.globalAlpha = 0.1;
      ctx.fillRect(from, bbox.top, Math.max(to - from, devicePixelRatio), bbox.height);
      ctx.globalAlpha = 0.8;
      for (const x of [from, to]) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
      if (named) {
        ctx.globalAlpha = 1;
        ctx.textAlign = "left";
        ctx.textBaseline = "top";
        const width = ctx.measureText(mark.rule).width;
        const left = Math.min(Math.max(from, bbox.left), bbox.left + bbox.width - width - 8);
        ctx.fillText(mark.rule, left + 4, bbox.top + (4 + row * 14) * devicePixelRatio);
      }
    });
    ctx.restore();
  };

  // One row for each P, from empty to the longest queue of all.
  const heat = (chart) => (u) => {
    const { ctx, bbox } = u;
    const most = Math.max(1, ...chart.series.flatMap((series) => series.values.map((value) => value ?? 0)));
    const tall = bbox.height / chart.series.length;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = style("--warning");
    chart.series.forEach((series, p) => {
      series.values.forEach((value, at) => {
        if (!value) return;
        const from = u.valToPos(chart.x[at], "x", true);
        const next = chart.x[at + 1] ?? chart.x[at] + (chart.x[at] - (chart.x[at - 1] ?? 0));
        const to = u.valToPos(next, "x", true);
        ctx.globalAlpha = 0.15 + 0.85 * (value / most);
        ctx.fillRect(from, bbox.top + p * tall, Math.max(to - from, 1), Math.max(tall - 1, 1));
      });
    });
    ctx.restore();
  };

  // Of a curve that has no value there, the nearest that it has.
  const nearest = (u, series, at) => {
    const [x, values] = [u.data[0], u.data[series]];
    if (series === 0 || values[at] != null) return at;
    let before = at;
    let behind = at;
    while (before >= 0 && values[before] == null) before--;
    while (behind < values.length && values[behind] == null) behind++;
    // Before its beginning and behind its end it has none.
    if (before < 0 || behind >= values.length) return at;
    return x[at] - x[before] <= x[behind] - x[at] ? before : behind;
  };

  // What is zoomed stays so when the window's size or its colours change.
  const zoomed = new WeakMap();
  const drawn = new WeakMap();

  const draw = (box) => {
    const data = JSON.parse(box.querySelector("script").textContent);
    const place = box.querySelector(".charts");
    // Cursors of plots that are gone would go on being moved.
    for (const plot of drawn.get(box) ?? []) plot.destroy();
    place.replaceChildren();
    const plots = [];
    drawn.set(box, plots);
    const linked = [];
    const timed = data.charts.filter((chart) => chart.kind !== "room");
    const ends = timed.flatMap((chart) => [chart.x[0], chart.x[chart.x.length - 1]]);
    const range = [Math.min(...ends), Math.max(...ends)];
    if (range[0] === range[1]) range[1] += 1;
    const [from, to] = zoomed.get(box) ?? range;
    // Until all of them are there, none is zoomed by hand.
    let zooming = true;
    const zoom = (u, key) => {
      if (key !== "x" || zooming) return;
      zooming = true;
      zoomed.set(box, [u.scales.x.min, u.scales.x.max]);
      for (const other of linked) {
        if (other !== u) other.setScale("x", { min: u.scales.x.min, max: u.scales.x.max });
      }
      zooming = false;
    };
    data.charts.forEach((chart, index) => {
      const isTime = chart.kind !== "room";
      const isHeat = chart.kind === "queues";
      const heading = document.createElement("h3");
      heading.textContent = chart.unit ? `${chart.name}, ${chart.unit}` : chart.name;
      place.append(heading);
      const axis = { stroke: style("--faint"), grid: { stroke: style("--edge"), width: 1 }, ticks: { stroke: style("--edge") } };
      const hooks = isTime ? { setScale: [zoom], drawClear: [marked(data.marks, index === 0)] } : {};
      if (isHeat) hooks.draw = [heat(chart)];
      const series = chart.series.map((one) => ({
        label: one.name,
        stroke: isHeat ? "transparent" : style(one.color),
        width: one.wide ? 4 : 1.5,
        alpha: one.wide ? 0.45 : 1,
        dash: one.dashed ? [6, 4] : undefined,
        spanGaps: one.spans,
        points: { show: chart.x.length < 60 && !isHeat, size: 4 },
        value: (_, value) => number(value),
      }));
      const plot = new uPlot({
        width: place.clientWidth,
        height: isHeat ? Math.min(60 + chart.series.length * 18, 420) : index === 0 || !isTime ? 260 : 150,
        cursor: {
          drag: { x: true, y: false },
          ...(isTime ? { sync: { key: `log${box.id}` } } : {}),
          ...(chart.series.some((one) => one.spans) ? { dataIdx: nearest } : {}),
        },
        legend: { live: true, show: !isHeat },
        scales: {
          x: { time: false, range: isTime ? (u, min, max) => (min == null ? range : [min, max]) : undefined },
          y: isHeat ? { range: [0, chart.series.length] } : { range: (u, min, max) => [0, Math.max(max ?? 1, 1e-3) * 1.08] },
        },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map((tick) => `${tick} ${isTime ? "s" : "MB"}`) },
          isHeat
            ? { ...axis, size: 60, splits: () => chart.series.map((_, p) => p + 0.5), values: () => chart.series.map((_, p) => (chart.series.length <= 24 || p % 8 === 0 ? chart.series[chart.series.length - 1 - p].name : "")) }
            : { ...axis, size: 60 },
        ],
        series: [{ label: isTime ? "seconds" : "MB of heap", value: (_, value) => number(value) }, ...series],
        hooks,
      }, [chart.x, ...chart.series.map((one) => one.values)], place);
      plots.push(plot);
      if (isTime) {
        linked.push(plot);
        plot.setScale("x", { min: from, max: to });
        plot.over.addEventListener("dblclick", () => plot.setScale("x", { min: range[0], max: range[1] }));
      }
    });
    // Scales are set when the browser comes to it.
    requestAnimationFrame(() => (zooming = false));
  };

  const all = () => document.querySelectorAll(".log").forEach(draw);
  let later = 0;
  addEventListener("resize", () => {
    clearTimeout(later);
    later = setTimeout(all, 150);
  });
  dark.addEventListener("change", all);
  all();
})();
