/** A version's threshold: the scores on both sides of it, and what another one would have said of them. */
import { html, useMemo, useState } from "../../vendor/htm-preact.js";
import { call } from "../../core/api.js";
import { count, percent, score, when } from "../../core/format.js";
import { useFetched } from "../../core/hooks.js";
import { may } from "../../core/session.js";
import { fill, t } from "../../core/strings.js";
import { Chart } from "../../parts/chart.js";
import { Dialog, ReasonDialog } from "../../parts/dialog.js";
import { Problem } from "../../parts/notice.js";

const BINS = 40;
const STEPS = 100;
const TONES = { goodKnown: "quiet", defectsKnown: "near", goodJudged: "good", defectsJudged: "defect" };

/** The threshold of a version; `after` is told of each change. */
export function Threshold({ path, version, after }) {
  const { image: inForce, origin: { image: origin }, alpha } = version.thresholds;
  const [draft, setDraft] = useState("");
  const [asked, ask] = useState(null);
  const [error, setError] = useState(null);
  const fetched = useFetched((signal) => call("get_scores_of_version", { path, signal }), []);
  const groups = useMemo(() => groupsOf(fetched.data), [fetched.data]);
  const at = draft === "" || !Number.isFinite(Number(draft)) ? inForce : Number(draft);
  const scale = useMemo(() => scaleOf(groups, [inForce, origin.bundle]), [groups, inForce, origin.bundle]);
  const lines = useMemo(() => [{ at, label: t.models.this }], [at]);
  const moved = (steps) => setDraft((at + steps * scale.step).toFixed(scale.digits));
  const done = async (change) => {
    after(await change);
    setDraft("");
    ask(null);
  };
  const apply = (reason) => done(call("set_threshold_of_version", { path, body: { image: at, reason } }));
  const reset = () => done(call("reset_threshold_of_version", { path })).catch(setError);
  return html`<section class="card threshold">
    <h2>${t.models.threshold}</h2>
    <p>${fill(t.models.inForce, { value: score(inForce) })} ${originText(origin)}</p>
    <${Problem} error=${fetched.error} />
    ${groups.length > 0 && html`<${Chart} label=${t.models.histogram} kind="bars" xLabel=${t.models.score}
      x=${scale.centres} series=${scale.series} lines=${lines} format=${(share) => percent(share, 0)} formatX=${score} />`}
    <div class="row">
      <button type="button" class="button" aria-label=${t.models.lower} onClick=${() => moved(-1)}>−</button>
      <input type="range" aria-label=${t.models.threshold} min=${scale.low} max=${scale.high} step=${scale.step}
        value=${at} onInput=${(event) => setDraft(event.target.value)} />
      <button type="button" class="button" aria-label=${t.models.higher} onClick=${() => moved(1)}>+</button>
      <label class="beside">${t.models.number}<input type="number" step="any"
        value=${draft === "" ? String(inForce) : draft} onInput=${(event) => setDraft(event.target.value)} /></label>
    </div>
    <p aria-live="polite">${promise(at, origin.bundle, alpha)}</p>
    <${Counts} groups=${groups} at=${at} inForce=${inForce} />
    ${fetched.data && html`<p class="quiet">${judgedText(fetched.data.judged)}</p>`}
    ${may("operate") && html`<div class="row">
      <button type="button" class="button primary" disabled=${at === inForce} onClick=${() => ask("apply")}>${t.models.apply}</button>
      ${origin.source === "override" && html`
        <button type="button" class="button" onClick=${() => ask("reset")}>${t.models.reset}</button>`}
    </div>`}
    <${ReasonDialog} open=${asked === "apply"} title=${t.models.apply} action=${t.models.apply}
      onConfirm=${apply} onClose=${() => ask(null)}
    ><p>${fill(t.models.change, { old: score(inForce), now: score(at) })}</p><//>
    <${Dialog} open=${asked === "reset"} title=${t.models.reset} onClose=${() => ask(null)}>
      <p>${fill(t.models.change, { old: score(inForce), now: score(origin.bundle) })}</p>
      <${Problem} error=${error} />
      <button type="button" class="button primary" onClick=${reset}>${t.models.reset}</button>
    <//>
  </section>`;
}

/** How many of each group a threshold rejects, beside those of the one in force. */
function Counts({ groups, at, inForce }) {
  const cell = ({ scores }, threshold) => {
    const rejected = scores.filter((one) => one > threshold).length;
    return html`<td class="number">${count(rejected)} <small>(${percent(rejected / scores.length)})</small></td>`;
  };
  return groups.length > 0 && html`<div class="scrolled" tabindex="0" role="region" aria-label=${t.models.counts}><table>
    <thead><tr>${t.models.countColumns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
    <tbody aria-live="polite">${groups.map((group) => html`<tr>
      <th scope="row">${t.models.groups[group.key]}</th>
      <td class="number">${count(group.scores.length)}
        ${group.count > group.scores.length && html`<small> ${fill(t.models.of, { count: count(group.count) })}</small>`}</td>
      ${cell(group, at)}${cell(group, inForce)}
    </tr>`)}</tbody>
  </table></div>`;
}

function groupsOf(found) {
  if (!found) return [];
  const { calibration, judged } = found;
  const sets = { goodKnown: calibration.good, defectsKnown: calibration.defects };
  Object.assign(sets, { goodJudged: judged?.good, defectsJudged: judged?.defects });
  return Object.entries(sets).filter(([, one]) => one?.scores.length).map(([key, one]) => ({ key, ...one }));
}

/** Where the slider and the histogram begin and end, in steps that people can write; and the bars. */
function scaleOf(groups, thresholds) {
  const ends = [...thresholds, ...groups.flatMap(({ scores }) => [scores[0], scores.at(-1)])];
  const span = Math.max(...ends) - Math.min(...ends) || Math.abs(ends[0]) || 1;
  const power = Math.floor(Math.log10(span / STEPS));
  const digits = Math.min(20, Math.max(0, -power));
  const step = Number((10 ** power).toFixed(digits));
  const low = Math.floor((Math.min(...ends) - 0.05 * span) / step) * step;
  const high = Math.ceil((Math.max(...ends) + 0.05 * span) / step) * step;
  const width = (high - low) / BINS;
  const centres = Array.from({ length: BINS }, (_, bin) => low + (bin + 0.5) * width);
  const series = groups.map(({ key, scores }) => {
    const values = new Array(BINS).fill(0);
    for (const one of scores) values[Math.min(BINS - 1, Math.floor((one - low) / width))] += 1 / scores.length;
    return { label: t.models.groups[key], values, tone: TONES[key] };
  });
  return { low, high, step, digits, centres, series };
}

function originText({ source, since, reason }) {
  const text = fill(source === "bundle" ? t.models.ofBundle : t.models.override, { when: when(since) });
  return reason ? `${text} ${fill(t.models.because, { reason })}` : text;
}

function promise(at, own, alpha) {
  if (at !== own) return t.models.noPromise;
  return alpha === null ? t.models.ownThreshold : fill(t.models.promise, { alpha: percent(alpha) });
}

function judgedText(judged) {
  if (judged === null) return t.models.noRecord;
  return judged.good.count + judged.defects.count ? t.models.notFair : t.models.nothingJudged;
}
