/** What recipes say, in words, and what has changed from one revision to the next. */
import { apart, count, ms, score } from "../../core/format.js";
import { fill, t } from "../../core/strings.js";
import { NO_MAP } from "./draft.js";

const r = t.recipes;

/** The address of a recipe. */
export const addressOf = (name) => `/console/recipes/${encodeURIComponent(name)}`;

/** A share of good parts: as many digits as it has. */
export const shareOf = (alpha) => `${Number((100 * alpha).toPrecision(4))} %`;

/** Threshold of the map, which may be one that no map reaches. */
export const pixelOf = (pixel) => (pixel >= NO_MAP ? r.scoreAlone : score(pixel));

/** Where thresholds come from. */
export function sourceOf({ source, alpha, good_count: good, part_count: parts }) {
  if (source === "hand") return r.byHand;
  if (alpha === null) return r.byModel;
  const [words, of] = parts === null ? [r.byCalibration, good] : [r.byParts, parts];
  return fill(words, { alpha: shareOf(alpha), count: count(of) });
}

/** By how much a view's thresholds are others than its model's, and why; empty where they are the same, or nobody knows. */
export function differenceOf({ differs, of_model: own, ...view }, { alpha, views }) {
  if (!differs) return "";
  const [image, ofModel] = apart(view.image, own.image);
  const said = [
    ...(view.image === own.image ? [] : [fill(r.differs.image, { now: image, own: ofModel })]),
    ...(view.pixel === own.pixel ? [] : [fill(r.differs.pixel, { now: pixelOf(view.pixel), own: pixelOf(own.pixel) })]),
  ].join("; ");
  const calibrated = views.filter(({ thresholds: { source } }) => source === "calibration").length;
  const why = fill(r.differs[differs], { count: count(calibrated), alpha: shareOf(alpha), asked: own.alpha === null ? "–" : shareOf(own.alpha) });
  return `${said}, ${why}`;
}

/** The patterns of codes in a line. */
export const codesOf = ({ codes }) => codes.join(", ") || "–";

/** The settings of a camera in a line. */
export const cameraOf = (camera) => Object.entries(camera).map(([name, value]) => `${name} ${valueOf(value)}`).join(", ") || "–";

const valueOf = (value) => (typeof value === "boolean" ? r.truths[value] : String(value));

/** What has changed from one recipe to the next, a line each; either may be null, as there was none. */
export function changesOf(before, after) {
  if (!after) return [r.removed];
  if (!before) return [fill(r.made, { views: after.views.map(({ name }) => name).join(", ") })];
  const turned = (what, one, other, said = String) =>
    (one === other ? [] : [fill(r.turned, { what, before: said(one), after: said(other) })]);
  const of = (views, name) => views.find((one) => one.name === name);
  return [
    ...turned(r.fields.number, before.number, after.number),
    ...turned(r.fields.alpha, before.alpha, after.alpha, shareOf),
    ...turned(r.fields.deadline, before.deadline_ms, after.deadline_ms, ms),
    ...turned(r.fields.codes, codesOf(before), codesOf(after)),
    ...before.views.filter(({ name }) => !of(after.views, name)).map((view) => fill(r.viewGone, view)),
    ...after.views.flatMap((view) => {
      const former = of(before.views, view.name);
      return former ? changesOfView(former, view, turned) : [fill(r.viewAdded, view)];
    }),
    ...(String(names(before)) !== String(names(after)) && sameViews(before, after) ? [r.reordered] : []),
  ];
}

const names = ({ views }) => views.map(({ name }) => name);
const sameViews = (one, other) => String(names(one).toSorted()) === String(names(other).toSorted());

function changesOfView(before, after, turned) {
  const of = (what) => fill(r.ofView, { name: after.name, what });
  const model = ({ model: name, version }) => `${name} ${version}`;
  const [one, other] = [before.thresholds, after.thresholds];
  const [image, now] = apart(one.image, other.image);
  const sameModel = model(before) === model(after);
  return [
    ...turned(of(r.fields.model), model(before), model(after)),
    ...(sameModel && before.graph !== after.graph ? [fill(r.otherGraph, { name: after.name, model: model(after) })] : []),
    ...turned(of(r.columns.image), image, now),
    ...turned(of(r.columns.pixel), pixelOf(one.pixel), pixelOf(other.pixel)),
    ...turned(of(r.columns.source), sourceOf(one), sourceOf(other)),
    ...turned(of(r.columns.camera), cameraOf(before.camera), cameraOf(after.camera)),
  ];
}
