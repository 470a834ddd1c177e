/** A version's threshold: the scores on both sides of it, and what another one would have said of them. */
import { html, useMemo, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { count, percent, score, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Chart } from "../../parts/chart.js";
import { ReasonDialog } from "../../parts/dialog.js";
import { Problem } from "../../parts/notice.js";

const BINS = 40;
const STEPS = 100;
const TONES = { goodKnown: "quiet", defectsKnown: "near", goodJudged: "good", defectsJudged: "defect" };

/** The threshold of a version; `after` is told of each change. */
export function Threshold({ path, version: { thresholds }, after }) {
  const { image: now, origin: { image: origin } } = thresholds;
  const [draft, setDraft] = useState(null);
  const [asked, ask] = useState(null);
  const { data, error } = useFetched((signal) => call("get_scores_of_version", { path, signal }), []);
  const groups = useMemo(() => groupsOf(data), [data]);
  const at = draft ? Number(draft) : now;
  const scale = useMemo(() => scaleOf(groups, [now, origin.bundle]), [groups, now, origin.bundle]);
  const move = (steps) => setDraft((at + steps * scale.step).toFixed(scale.digits));
  const type = (event) => setDraft(event.target.value);
  const choices = {
    apply: { to: at, call: (reason) => call("set_threshold_of_version", { path, body: { image: at, reason } }) },
    reset: { to: origin.bundle, call: (reason) => call("reset_threshold_of_version", { path, query: { reason } }) },
  };
  const confirm = async (reason) => {
    after(await choices[asked].call(reason));
    setDraft(null);
  };
  const button = (name, off) => html`
    <button type="button" class="button" disabled=${off} onClick=${() => ask(name)}>${t.models[name]}</button>`;
  return html`<section class="card threshold">
    <h2>${t.models.threshold}</h2>
    <p>${originText(now, origin)}</p>
    <${Problem} error=${error} />
    ${groups.length > 0 && html`<${Chart} label=${t.models.histogram} kind="bars" xLabel=${t.models.score} ...${scale.chart}
      lines=${[{ at, label: t.models.this }]} format=${percent} formatX=${score} />`}
    <div class="row">
      <button type="button" class="button" aria-label=${t.models.lower} onClick=${() => move(-1)}>−</button>
      <input type="range" aria-label=${t.models.threshold} ...${scale.ends} value=${at} onInput=${type} />
      <button type="button" class="button" aria-label=${t.models.higher} onClick=${() => move(1)}>+</button>
      <label class="beside">${t.models.number}
        <input type="number" step="any" value=${draft ?? String(now)} onInput=${type} />
      </label>
    </div>
    <div aria-live="polite">
      <p>${promise(at, origin.bundle, thresholds)}</p>
      ${groups.length > 0 && html`<${Counts} ...${{ groups, at, now }} />`}
    </div>
    <p class="quiet">${data && judgedText(data.judged)}</p>
    ${may("operate") && html`<div class="row">
      ${button("apply", at === now)} ${origin.source === "override" && button("reset")}
    </div>`}
    <${ReasonDialog} open=${asked} title=${t.models[asked]} action=${t.models[asked]}
      onConfirm=${confirm} onClose=${() => ask(null)}>
      <p>${fill(t.models.change, { old: score(now), now: score(choices[asked]?.to) })}</p>
    <//>
  </section>`;
}

/** How many of each group a threshold rejects, beside those that the one in force does. */
function Counts({ groups, at, now }) {
  const rejected = (scores, threshold) => {
    const over = scores.filter((one) => one > threshold).length;
    return `${count(over)} (${percent(over / scores.length)})`;
  };
  return html`<div class="scrolled" tabindex="0" role="region" aria-label=${t.models.counts}><table>
    <thead><tr>${t.models.countColumns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
    <tbody>${groups.map(({ key, scores, count: all }) => html`<tr>
      <th scope="row">${t.models.groups[key]}</th>
      ${[fill(all > scores.length ? t.models.of : "{shown}", { shown: count(scores.length), all: count(all) }),
        rejected(scores, at), rejected(scores, now)].map((cell) => html`<td class="number">${cell}</td>`)}
    </tr>`)}</tbody>
  </table></div>`;
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
  const margin = 0.05 * (most - least) || 0.05 * Math.abs(least) || 1;
  const power = Math.floor(Math.log10((20 * margin) / STEPS));
  const digits = Math.min(20, Math.max(0, -power));
  const step = Number((10 ** power).toFixed(digits));
  const [min, max] = [Math.floor((least - margin) / step) * step, Math.ceil((most + margin) / step) * step];
  const width = (max - min) / BINS;
  const x = Array.from({ length: BINS }, (_, bin) => min + (bin + 0.5) * width);
  const series = groups.map(({ key, scores }) => {
    const values = new Array(BINS).fill(0);
    for (const one of scores) values[Math.min(BINS - 1, Math.floor((one - min) / width))] += 1 / scores.length;
    return { label: t.models.groups[key], values, tone: TONES[key] };
  });
  return { step, digits, ends: { min, max, step }, chart: { x, series } };
}

function originText(now, { source, since, reason }) {
  const said = { value: score(now), when: when(since), reason: reason ?? t.models.noReason };
  return fill(source === "bundle" ? t.models.ofBundle : t.models.override, said);
}

function promise(at, own, { alpha, proven_rate: proven }) {
  if (at !== own) return t.models.noPromise;
  return alpha === null ? t.models.ownThreshold : fill(t.models.promise, { alpha: percent(proven ?? alpha) });
}

function judgedText(judged) {
  if (judged === null) return t.models.noRecord;
  return judged.good.count + judged.defects.count ? t.models.notFair : t.models.nothingJudged;
}
