/** The page Health: what is wrong now, and the few numbers that matter. */
import { html, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { bytes, count, ms, percent, when } from "../../core/format.js";
import { useFetched, useInterval } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Chart } from "../../parts/chart.js";
import { Notice, Problem } from "../../parts/notice.js";
import { Table } from "../../parts/table.js";
import { Term } from "../../parts/term.js";
import { Conditions } from "./conditions.js";

const LOOK_EVERY_MS = 2000;
const TERMS = { p99: "slow", queue: "queue", engines: "engine" };
const CHARTS = { rate: ["per_s", "refused_per_s"], times: ["total_ms", "queue_ms", "engine_ms"], queue: ["queue_depth"] };
const TONES = { refused_per_s: "defect", queue_ms: "accent", engine_ms: "near" };
const text = (name, values) => fill(t.health[name], values);
const rate = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0));
const share = (part, whole) => percent(whole ? part / whole : null);

/** The page. */
export default function Page() {
  return may("read") ? html`<${Health} />` : html`<h1>${t.health.title}</h1><${Notice} title=${t.health.mayNot} />`;
}

function Health() {
  const { data: now, error, again } = useFetched((signal) => call("get_status", { signal }), []);
  useInterval(again, LOOK_EVERY_MS);
  return html`<div class="row page-head"><h1>${t.health.title}</h1></div>
    <${Problem} error=${error} />
    ${now?.workers.silent > 0 && html`<${Notice} tone="near" title=${text("silent", now.workers)}>
      <p>${text("silentDetail", now.workers)} ${now.workers.leader_is_silent && text("silentLeader", now.workers)}</p><//>`}
    ${now && html`<${Conditions} found=${now.conditions} models=${now.models} at=${now.at} />
      <${Tiles} now=${now} />
      <${Charts} points=${now.points} />
      ${["stages", "models", "refusals"].map((name) => html`<${Listed} name=${name} rows=${ROWS[name](now)} />`)}
      <p class="quiet">${text("server", { version: now.version, started: when(now.started), at: when(now.at) })}
        <a href="/console/words">${t.words.title}</a></p>
      <${Grafana} />`}`;
}

function Tiles({ now }) {
  const { last_minute: minute, queue, connections, memory, record } = now;
  const sum = (values) => values.reduce((before, one) => before + one, 0);
  const all = (value) => text("ofAll", { all: value });
  const refused = sum(Object.values(minute.refused));
  const { p50_ms: half, p99_ms: nearly } = minute.stages.at(-1);
  const tiles = [
    ["rate", rate(minute.per_s), text("answered", { count: count(minute.answered) })],
    ["rejects", share(minute.anomalous, minute.answered), minute.undecided
      ? text("undecided", { count: count(minute.anomalous), undecided: count(minute.undecided) }) : count(minute.anomalous)],
    ["refused", count(refused), share(refused, refused + minute.answered)],
    ["p99", ms(nearly), text("half", { p50: ms(half) })],
    ["queue", count(queue.used), all(count(queue.limit))],
    ["engines", text("of", { some: sum(now.models.map((one) => one.working)), all: sum(now.models.map((one) => one.instances)) }),
      text("busy", { share: percent(minute.busy_share, 0) })],
    ["streams", count(now.streams), text("skipped", { count: count(minute.frames_dropped) })],
    connections && ["connections", count(connections.used), all(count(connections.limit))],
    ["pictures", bytes(memory.pictures), all(bytes(memory.pictures_limit))],
    ["process", bytes(memory.process), all(bytes(memory.process_limit))],
    ...now.disks.map((disk) => [disk.holds, bytes(disk.free_bytes), all(bytes(disk.total_bytes))]),
    record && ["kept", count(record.stored), text("backlog", { waiting: count(record.waiting), lost: count(record.lost) })],
    ...now.gpus.map((gpu) => ["gpu", percent(gpu.busy_share, 0), `${bytes(gpu.memory_used_bytes)} ${all(bytes(gpu.memory_total_bytes))}`]),
  ];
  return html`<dl class="tiles" aria-label=${t.health.numbers}>${tiles.filter(Boolean).map(
    ([name, value, small]) => html`<div class="card">
      <dt>${name in TERMS ? html`<${Term} of=${TERMS[name]} text=${t.health.tiles[name]} />` : t.health.tiles[name]}</dt>
      <dd><strong>${value}</strong><small>${small}</small></dd></div>`,
  )}</dl>`;
}

function Charts({ points }) {
  const ago = points.at.map((at) => Math.round(at - points.at.at(-1)));
  const series = (name) => ({ label: t.health.series[name], values: points[name], tone: TONES[name] ?? "text" });
  const write = { rate, times: ms, queue: String };
  return html`<div class="charts">${Object.entries(CHARTS).map(
    ([name, names]) => html`<section class="card"><h2>${t.health.charts[name]}</h2>
      <${Chart} label=${t.health.charts[name]} x=${ago} xLabel=${t.health.ago} formatX=${(at) => `${at} s`}
        height=${160} series=${names.map(series)} format=${write[name]} /></section>`,
  )}</div>`;
}

const ROWS = {
  stages: ({ last_minute: minute, since_start: all }) => minute.stages.map((one, at) => [t.facts.stages[one.stage],
    ...[one, all.stages[at]].flatMap((times) => [ms(times.p50_ms), ms(times.p99_ms)])]),
  models: ({ models }) => models.map((one) => [
    html`<a href=${`/console/models/${encodeURIComponent(one.model)}`}>${one.model}</a> ${one.version}`,
    rate(one.per_s), share(one.anomalous, one.answered), ms(one.p99_ms), count(one.queue_depth),
    text("of", { some: one.working, all: one.instances }), percent(one.busy_share, 0)]),
  refusals: ({ last_minute: minute, since_start: all }) => Object.entries(all.refused).map(
    ([code, number]) => [code, count(minute.refused[code] ?? 0), count(number)]),
};

function Listed({ name, rows }) {
  const [title, ...head] = t.health.tables[name];
  return rows.length > 0 && html`<section class="card"><h2>${title}</h2><${Table} ...${{ label: title, head, rows, number: true }} /></section>`;
}

/** The way to Grafana, whose address this browser keeps; no link to anything but a page. */
function Grafana() {
  const [address, setAddress] = useState(() => localStorage.getItem("grafana") ?? "");
  const keep = ({ target }) => (setAddress(target.value), localStorage.setItem("grafana", target.value));
  return html`<section class="card"><h2>${t.health.grafana}</h2><p>${t.health.boards}</p>
    <label>${t.health.address}<input type="url" value=${address} onChange=${keep} placeholder=${t.health.example} /></label>
    ${/^https?:\/\/./.test(address) && html`<a class="button" href=${address} rel="noreferrer">${t.health.open}</a>`}
  </section>`;
}
