/** A version's threshold: the scores on both sides of it, and what another one would have said of them. */
import { html, useMemo, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { count, percent, score, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Chart } from "../../parts/chart.js";
import { Consequence } from "../../parts/threshold/consequence.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Problem } from "../../parts/notice.js";
import { Table } from "../../parts/table.js";
import { Term } from "../../parts/term.js";

const BINS = 40;
const STEPS = 200;
const TONES = { goodKnown: "quiet", defectsKnown: "near", goodJudged: "good", defectsJudged: "defect" };

/** The threshold of a version; `after` is told of each change. */
export function Threshold({ path, version: { thresholds, self_test: tested }, after }) {
  const { image: now, origin: { image: origin } } = thresholds;
  const [draft, setDraft] = useState(null);
  const [asked, ask] = useState(null);
  const { data, error } = useFetched((signal) => call("get_scores_of_version", { path, signal }), []);
  const groups = useMemo(() => groupsOf(data), [data]);
  const scale = useMemo(() => scaleOf(groups, [now, origin.bundle]), [groups, now, origin.bundle]);
  if (!data && !error) {
    return html`<section class="card threshold waiting"><h2>${t.models.threshold}</h2><p class="quiet">${t.shell.loading}</p></section>`;
  }
  const at = draft ? Number(draft) : now;
  const type = (event) => setDraft(event.target.value);
  const move = (steps, sign, label) => html`<button type="button" class="button" aria-label=${label}
    onClick=${() => setDraft(String(tidy(at + steps * scale.ends.step)))}>${sign}</button>`;
  const choices = {
    apply: [at, (reason) => call("set_threshold_of_version", { path, body: { image: at, reason } })],
    reset: [origin.bundle, (reason) => call("reset_threshold_of_version", { path, query: { reason } })],
  };
  const [to, change] = choices[asked] ?? [];
  const confirm = async (reason) => (after(await change(reason)), setDraft(null));
  const button = (name, off) => html`
    <button type="button" class="button" disabled=${off} onClick=${() => ask(name)}>${t.models[name]}</button>`;
  const priced = tested?.prices?.at.find((one) => one.image === at && one.pixel === thresholds.pixel);
  const alpha = at !== origin.bundle && priced ? priced.alpha : thresholds.alpha;
  const ofOther = priced ? t.models.pricedPromise : t.models.noPromise;
  const promise = at !== origin.bundle ? ofOther : alpha === null ? t.models.ownThreshold : t.models.promise;
  const judged = data && (data.judged === null ? t.models.noRecord : judgedOf(data) ? t.models.notFair : t.models.nothingJudged);
  return html`<section class="card threshold">
    <h2><${Term} of="own-threshold" text=${t.models.threshold} /></h2>
    <p>${fill(t.models[origin.source], { value: score(now), when: when(origin.since), reason: origin.reason ?? "–" })}</p>
    <${Problem} error=${error} />
    ${groups.length > 0 && html`<${Chart} label=${t.models.histogram} kind="bars" xLabel=${t.models.score} ...${scale.chart}
      lines=${[{ at, label: t.models.this }]} format=${percent} formatX=${score} />`}
    <div class="row">
      ${move(-1, "−", t.models.lower)}
      <input type="range" aria-label=${t.models.threshold} ...${scale.ends} value=${at} onInput=${type} />
      ${move(1, "+", t.models.higher)}
      <label class="beside">${t.models.number}
        <input type="number" step="any" value=${draft ?? String(now)} onInput=${type} />
      </label>
    </div>
    <div aria-live="polite">
      <p>${fill(promise, { alpha: percent(alpha) })}</p>
      ${groups.length > 0 && html`<${Table} number label=${t.models.counts} head=${t.models.countColumns}
        rows=${groups.map((group) => counts(group, at, now))} />`}
    </div>
    <p class="quiet">${data?.calibration.good.count > 0 && fill(t.models.calibrated, { count: count(data.calibration.good.count) })} ${judged}</p>
    ${may("operate") && html`<div class="row">
      ${button("apply", at === now)} ${origin.source === "override" && button("reset")}
    </div>`}
    <${ReasonDialog} open=${asked} title=${t.models[asked]} action=${t.models[asked]}
      onConfirm=${confirm} onClose=${() => ask(null)}>
      ${asked && html`<${Consequence} ...${{ path, now, to }} />`}
    <//>
  </section>`;
}

const judgedOf = ({ judged }) => judged.good.count + judged.defects.count;
const tidy = (value) => Number(value.toPrecision(6));

/** A row: how many of a group a threshold or a region rejects, beside those that the threshold in force and a region do. */
function counts({ key, scores, regions, count: all }, at, now) {
  const rejected = [at, now].map((threshold) => scores.filter((one, index) => one > threshold || regions[index]).length);
  const known = all > scores.length ? fill(t.models.of, { shown: count(scores.length), all: count(all) }) : count(all);
  return [t.models.groups[key], known, ...rejected.map((some) => `${count(some)} (${percent(some / scores.length)})`)];
}

function groupsOf(found) {
  const { good: goodKnown, defects: defectsKnown } = found?.calibration ?? {};
  const { good: goodJudged, defects: defectsJudged } = found?.judged ?? {};
  const sets = Object.entries({ goodKnown, defectsKnown, goodJudged, defectsJudged });
  return sets.filter(([, one]) => one?.scores.length).map(([key, one]) => ({ key, ...one }));
}

/** Where slider and histogram begin and end, in steps that people can write; and the histogram. */
function scaleOf(groups, thresholds) {
  const all = [...thresholds, ...groups.flatMap(({ scores }) => [scores[0], scores.at(-1)])];
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const step = Number(((most - least || Math.abs(least) || 1) / STEPS).toPrecision(1));
  const [min, max] = [tidy(step * Math.floor(least / step - 10)), tidy(step * Math.ceil(most / step + 10))];
  const width = (max - min) / BINS;
  const x = Array.from({ length: BINS }, (_, bin) => min + (bin + 0.5) * width);
  const series = groups.map(({ key, scores }) => {
    const values = new Array(BINS).fill(0);
    for (const one of scores) values[Math.min(BINS - 1, Math.floor((one - min) / width))] += 1 / scores.length;
    return { label: t.models.groups[key], values, tone: TONES[key] };
  });
  return { ends: { min, max, step }, chart: { x, series } };
}
