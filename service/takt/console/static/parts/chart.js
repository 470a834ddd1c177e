/** A chart of lines or bars, drawn by uPlot; its numbers are there as a table, too. */
import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef, useState } from "../vendor/htm-preact.js";
import { when } from "../core/format.js";
import { fill, t } from "../core/strings.js";
import { Table } from "./table.js";

const DASHES = [[], [7, 4], [2, 3]];
const SHAPES = { line: ["━", "╍", "┈"], bars: ["■", "□", "■"], mark: "┃" };
const MOST_ROWS = 200;
const FEW = 3;
const APART = 90; // pixels, so that a date finds room
const moment = (seconds) => when(1000 * seconds);

/**
 * `kind` is "line" or "bars"; `series` is `[{ label, values, tone }]` over `x`, with a tone of console.css such as
 * "defect"; `lines` is `[{ at, label, tone, axis }]`: marks at an x, or with `axis: "y"` at a y.
 * `time`: x is in seconds of Unix time. `format` and `formatX` write numbers; `xLabel` heads the table.
 * `between` names two lines by their places, from 1, whose room is tinted; `ground` is `{ low, high, label, tone }`, a band
 * behind all. `fit`: what is drawn fills the height, where else 0 is below.
 */
export function Chart({ label, kind = "line", x, xLabel, series, lines = [], height = 200, time = false, fit = false, ...more }) {
  const { format = String, formatX = time ? moment : String, between = null, ground = null } = more;
  const place = useRef(null);
  const plot = useRef(null);
  const latest = useRef(null);
  latest.current = { x, series, lines, kind, height, time, fit, between, ground, format, formatX };
  useEffect(() => {
    const chart = new uPlot(options(latest, place.current), numbers(latest.current), place.current);
    const width = new ResizeObserver(() => chart.setSize({ width: place.current.clientWidth, height }));
    width.observe(place.current);
    const stop = onTheme(() => chart.redraw(false));
    plot.current = chart;
    return () => (width.disconnect(), stop(), chart.destroy());
  }, [JSON.stringify([kind, height, time, series.map((one) => [one.label, one.tone])])]);
  useEffect(() => plot.current.setData(numbers(latest.current)), [x, series, lines, ground]);
  const key = ({ tone = "text", label: name }, sign, at = "") =>
    html`<span><b style=${{ color: `var(--${tone})` }} aria-hidden="true">${sign}</b> ${name}${at}</span>`;
  return html`<figure class="chart" aria-label=${label}>
    <div ref=${place} style=${{ minHeight: `${height}px` }} aria-hidden="true"></div>
    <figcaption>
      ${series.map((one, index) => key(one, SHAPES[kind][index % 3]))}
      ${ground && key(ground, SHAPES.bars[0], `: ${format(ground.low)} – ${format(ground.high)}`)}
      ${Object.values(Object.groupBy(lines, (one) => one.label)).map((all) => key(all[0], SHAPES.mark,
        `: ${all.map((one) => (one.axis === "y" ? format : formatX)(one.at)).join(", ")}`))}
    </figcaption>
    <${Numbers} ...${{ label, x, xLabel, series, format, formatX }} />
  </figure>`;
}

/** The same numbers as a table, made when somebody opens it; of many rows every so many. */
function Numbers({ label, x, xLabel, series, format, formatX }) {
  const [open, setOpen] = useState(false);
  const every = Math.ceil(x.length / MOST_ROWS);
  const cells = (at, row) => [formatX(at), ...series.map(({ values }) => (values[row] ?? null) === null ? "–" : format(values[row]))];
  return html`<details onToggle=${(event) => setOpen(event.target.open)}>
    <summary>${fill(t.chart.numbers, { label })}</summary>
    ${open && html`<${Table} number label=${label} head=${[xLabel, ...series.map((one) => one.label)]}
      rows=${x.map(cells).filter((_, row) => row % every === 0)} />`}
  </details>`;
}

const numbers = ({ x, series }) => [x, ...series.map((one) => one.values)];

function options(latest, place) {
  const { series, kind, height, time, between } = latest.current;
  const ink = (tone = "text") => () => colour(place, tone);
  const axis = { stroke: ink("quiet"), grid: { stroke: ink("line"), width: 1 }, ticks: { stroke: ink("line"), width: 1 } };
  const texts = (name, gap = " ") => (_, splits) => splits.map((value) => latest.current[name](value).replace(" ", gap));
  const range = (of) => (_, low, high) => of(latest.current, low ?? 0, high ?? 0);
  const points = { show: () => latest.current.x.length < FEW, size: 9 }; // a line of one point is none
  const look = (index) => (kind === "bars" ? { points: { show: false }, ...bars(index, latest) } : { points, dash: DASHES[index % 3], width: 2 });
  return {
    width: place.clientWidth,
    height,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time, range: range(rangeX) }, y: { range: range(rangeY) } },
    axes: [{ ...axis, values: texts("formatX", time ? "\n" : " "), space: APART }, { ...axis, values: texts("format"), size: 72 }],
    series: [{}, ...series.map(({ tone }, index) => ({ stroke: ink(tone), ...look(index) }))],
    bands: between ? [{ series: between, fill: () => colour(place, series[0].tone, 20) }] : [],
    hooks: {
      drawClear: [(chart) => latest.current.ground && drawGround(chart, latest.current.ground, place)],
      draw: [(chart) => latest.current.lines.forEach((one) => drawLine(chart, one, ink(one.tone)()))],
    },
  };
}

/** Bars side by side, filled ones and outlined ones: colour is not all that tells them apart. */
function bars(index, latest) {
  const width = () => binWidth(latest.current.x) / latest.current.series.length;
  const left = () => latest.current.x.map((at) => at - binWidth(latest.current.x) / 2 + index * width());
  const disp = { x0: { unit: 1, values: left }, size: { unit: 1, values: () => [0.9 * width()] } };
  const fill = (chart) => (index % 3 === 1 ? null : chart.series[index + 1].stroke());
  return { fill, width: 1.5, paths: uPlot.paths.bars({ disp }) };
}

const binWidth = (x) => (x.length > 1 ? x[1] - x[0] : 1);

function rangeX({ x, kind, time, lines }, low, high) {
  const beside = kind === "bars" ? binWidth(x) / 2 : Number(low === high);
  const later = time ? lines.filter((one) => one.axis !== "y").map((one) => one.at) : [];
  return [low - beside, Math.max(high, ...later) + beside];
}

function rangeY({ lines, fit, ground }, low, high) {
  const marks = lines.filter((one) => one.axis === "y").map((one) => one.at);
  if (fit) {
    const [least, most] = [Math.min(low, ground?.low ?? low), Math.max(high, ground?.high ?? high)];
    const beside = (most - least) / 10 || Math.abs(most) / 10 || 1;
    return [least - beside, most + beside];
  }
  return [Math.min(0, low), 1.1 * Math.max(high, ...marks) || 1];
}

function drawLine({ ctx, bbox: { left, top, width, height }, valToPos }, { at, axis = "x" }, ink) {
  const [place, thick] = [Math.round(valToPos(at, axis, true)), 2 * devicePixelRatio];
  ctx.fillStyle = ink;
  ctx.fillRect(...(axis === "x" ? [place, top, thick, height] : [left, place, width, thick]));
}

function drawGround({ ctx, bbox: { left, width }, valToPos }, { low, high, tone }, place) {
  const [bottom, top] = [low, high].map((value) => Math.round(valToPos(value, "y", true)));
  ctx.fillStyle = colour(place, tone, 25);
  ctx.fillRect(left, top, width, Math.max(bottom - top, 2 * devicePixelRatio));
}

/** What a variable of console.css is in the theme of now, as a canvas needs it; `share` per cent of it lie over what is behind. */
function colour(place, tone, share = 100) {
  place.style.color = `color-mix(in srgb, var(--${tone}) ${share}%, transparent)`;
  return getComputedStyle(place).color;
}

/** Calls a function when the theme changes, by the system or by the button; returns how to stop. */
function onTheme(fn) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = new MutationObserver(fn);
  chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  system.addEventListener("change", fn);
  return () => (chosen.disconnect(), system.removeEventListener("change", fn));
}
