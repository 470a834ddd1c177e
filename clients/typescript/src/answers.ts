/** What a server answers. Names, units and nulls are those of its API. */

import { unreadable } from "./errors.ts";

/** A rectangle in pixels of the picture: x and y of its upper left corner, width, height. */
export type Box = [x: number, y: number, width: number, height: number];

/** A connected defect. */
export interface Region {
  box: Box;
  /** Pixels of the picture that it covers. */
  area: number;
  /** The highest value of the anomaly map in it. */
  peak: number;
}

/** A rendered heatmap: the bytes of a picture, or of a .npy with the float32 map. */
export interface Heatmap {
  kind: "map" | "overlay" | "raw";
  format: "png" | "jpeg" | "webp" | "npy";
  data: Uint8Array<ArrayBuffer>;
}

/** Why a picture cannot be judged: a fact of it lies far beyond those of good parts. */
export interface Reason {
  /** That lies beyond, such as `brightness`. */
  fact: string;
  value: number;
  /** Least value at which a picture is judged. */
  low: number;
  /** Largest one; null where none is too high. */
  high: number | null;
  /** The same in words. */
  text: string;
}

export type Verdict = "good" | "defect" | "undecided";

/** What was found in a picture; REST and stream share it. */
export interface Inspection {
  /** Name of the model that answered. */
  model: string;
  version: string;
  /** Of the whole picture, unbounded; higher is more anomalous. */
  score: number;
  threshold: number;
  /** score > threshold, or a region: a value of the map > the pixel threshold; or undecided. */
  anomalous: boolean;
  /** `undecided` where the picture cannot be judged, as its model's owner has switched on. */
  verdict: Verdict;
  /** Why the picture cannot be judged; null where it is judged. */
  undecided: Reason | null;
  /** Share of good calibration pictures, in percent, that score no higher. */
  percentile: number | null;
  /** Size of the picture, upright, in pixels. */
  image: { width: number; height: number };
  /** The part of the picture that the model saw. */
  inspected: Box;
  /** The defects, the highest peak first. */
  regions: Region[];
  /** What speaks against the answer: `small_picture`, `other_size`, `other_shape`, `dark_depth` or `clipped_depth`. */
  warnings: string[];
  heatmap: Heatmap | null;
  /** Time of each stage on the server, in milliseconds. */
  timings_ms: Record<
    "decode" | "preprocess" | "queue" | "engine" | "postprocess" | "render" | "total",
    number
  >;
}

/** Answer to a picture. */
export interface Inspected extends Inspection {
  /** For the server's log. */
  request_id: string;
}

/** A view of a part; what is null is so until the view is inspected. */
export interface PartView {
  /** Its name in the recipe. */
  view: string;
  /** `missing` is what a part has ended without. */
  state: "waiting" | "inspecting" | "inspected" | "missing";
  request_id: string | null;
  /** Of its inspection in the server's record; null until it is stored. */
  inspection_id: number | null;
  model: string | null;
  version: string | null;
  /** On the view alone. */
  verdict: Verdict | null;
  score: number | null;
  threshold: number | null;
  /** How near it is to being rejected, 1 at its thresholds; null where one is not above 0. */
  scaled: number | null;
  /** What decided that it is a defect; null where it is none. */
  witness: "score" | "region" | null;
}

/** The one result of a part. */
export interface PartResult {
  /** `defect` where a view is, `good` where all are, else `undecided`. */
  verdict: Verdict;
  /** Why it is undecided; null where it is not. */
  reason: "missing_view" | "undecided" | null;
  /** The highest `scaled` of its views; null where none has one. */
  score: number | null;
  /** The view whose that is. */
  view: string | null;
  /** The view that decided; null where all are good. */
  decided_by: string | null;
  /** What decided that this view is a defect: its score, or a region where the map alone did. */
  witness: "score" | "region" | null;
  ended_by: "views" | "end" | "deadline" | "closing";
  ended_at: string;
  /** Every view of the recipe, in its order. */
  views: PartView[];
}

/** A part: what it waits for, or what became of it. */
export interface Part {
  part: string;
  /** Tells it from other parts of this id; a later one has a higher number. */
  number: number;
  recipe: string;
  /** Of the recipe, for all views of the part. */
  revision: number;
  /** Where it was; this and what follows as its first view says. */
  station: string | null;
  lot: string | null;
  tags: Record<string, string>;
  state: "open" | "ended";
  began_at: string;
  /** Time until its deadline; null when it has ended. */
  left_ms: number | null;
  views: PartView[];
  /** Null while it is open. */
  result: PartResult | null;
}

/** Answer to a view of a part. */
export interface ViewInspected {
  part: string;
  number: number;
  recipe: string;
  revision: number;
  view: string;
  inspection: Inspected;
  /** Of the part, if this view was inspected last; else null. */
  result: PartResult | null;
}

/** Where a view's thresholds come from, and what they rest on. */
export interface ViewThresholds {
  /** Of the score. */
  image: number;
  /** Of the map's values. */
  pixel: number;
  source: "calibration" | "hand";
  /** Share of good parts that they may reject, all views together where `part_count` is a number; null where set by hand. */
  alpha: number | null;
  /** Good parts known in every view, by which all views' thresholds were found together; else null. */
  part_count: number | null;
  /** Good pictures that they rest on; null where somebody has set them. */
  good_count: number | null;
  /** What the model's version judges by itself, and the share of good parts that it promises; null where it cannot be asked. */
  of_model: { image: number; pixel: number; alpha: number | null } | null;
  /** Why the view's are others than those; null where they are the same. */
  differs: "share" | "together" | "alpha" | "no_promise" | "hand" | "kept" | null;
}

/** A view that a part has. */
export interface RecipeView {
  name: string;
  model: string;
  version: string;
  /** SHA-256 of the model's graph. */
  graph: string;
  thresholds: ViewThresholds;
  /** Settings of the camera, for whoever takes the picture. */
  camera: Record<string, string | boolean | number>;
}

/** What parts of one kind are inspected by. */
export interface Recipe {
  name: string;
  /** Names it to a PLC. */
  number: number;
  /** 1 for the first one, and one more with each change. */
  revision: number;
  /** Share of good parts that all views together may reject. */
  alpha: number;
  /** Time from a part's first view to its result. */
  deadline_ms: number;
  views: RecipeView[];
  /** Patterns of the codes that a reader reads off its parts. */
  codes: string[];
  /** Names of views whose version has got another graph since: save the recipe again. */
  outdated: string[];
  changed_at: string;
  changed_by: string;
  reason: string | null;
}

/** What a recipe was from one change to the next. */
export interface RecipeRevision {
  revision: number;
  changed_at: string;
  changed_by: string;
  reason: string | null;
  /** Null where it was removed. */
  recipe: Recipe | null;
}

/** One version of a model; what is null is not known until it is loaded. */
export interface ModelVersion {
  version: string;
  state: "loading" | "ready" | "failed" | "closed";
  /** Why it failed. */
  reason: string | null;
  engine: string | null;
  family: string | null;
  variant: string | null;
  thresholds: { image: number; pixel: number; method: string } | null;
}

/** A model; `active` is the version that answers where a call names none, empty if none does. */
export interface Model {
  name: string;
  active: string;
  versions: ModelVersion[];
}

/** The fields that REST and stream share; a verdict is read and never guessed. */
export function inspectionOf(body: Record<string, unknown>, heatmap: Heatmap | null): Inspection {
  const right =
    typeof body["anomalous"] === "boolean" &&
    typeof body["score"] === "number" &&
    typeof body["threshold"] === "number" &&
    Array.isArray(body["regions"]);
  if (!right) throw unreadable("no inspection", JSON.stringify(body));
  // Servers before API 2.10 have two verdicts.
  const verdict = body["anomalous"] ? "defect" : "good";
  const former = { verdict, undecided: null };
  return { ...former, ...(body as unknown as Inspection), heatmap };
}

/** A part; a verdict is read and never guessed. */
export function partOf(answer: Record<string, unknown>): Part {
  const part = answer["part"];
  if (typeof part !== "object" || part === null) throw unreadable("no part", JSON.stringify(answer));
  return { ...(part as Part), result: resultOf((part as Part).result) };
}

/** The result of a part; null while it has none. */
export function resultOf(result: unknown): PartResult | null {
  if (result === null) return null;
  const verdict = (result as PartResult | undefined)?.verdict;
  if (verdict !== "good" && verdict !== "defect" && verdict !== "undecided") {
    throw unreadable("no result of a part", JSON.stringify(result));
  }
  return result as PartResult;
}

/** A recipe that somebody wants in force at a station. */
export interface RecipeWish {
  number: number;
  /** Of the wish; a later one has a higher one. */
  sequence: number;
}

/** The result of a part at a station. */
export interface StationResult {
  /** As the PLC has named it. */
  part: number;
  /** Id of the part on the server; null where it was not asked. */
  part_id: string | null;
  at: string;
  result: "ok" | "ng" | "no_decision";
  /** Why there is no decision; else null. */
  reason: string | null;
  score: number | null;
  /** From the trigger's edge to the result. */
  took_ms: number;
  /** Whether a PLC could read it. */
  shown: boolean;
  /** The verdict that came too late, if any did. */
  late: { result: "ok" | "ng" | "no_decision"; late_ms: number } | null;
}

/** A station, as it has said last how it fares. */
export interface StationStanding {
  name: string;
  state: "online" | "offline" | "silent";
  /** "flowing", or what keeps parts from it, such as "no_plc" or "camera"; servers before API 2.11 do not say. */
  flow?: string;
  /** Null while it takes parts. */
  offline_reason: "set_offline" | "engine" | "camera" | "fault" | null;
  heard_at: string;
  silent_ms: number;
  plc: { connected: boolean; heard_at: string | null };
  /** Whether every model of the server was ready. */
  server_ready: boolean;
  cameras: { name: string; well: boolean }[];
  /** In force; number 0 and no name where none is. */
  recipe: { number: number; name: string | null; changing: boolean };
  /** Time from a trigger to its result, at most. */
  result_ms: number;
  /** Parts since it began; those without a decision by the reason. */
  counts: {
    ok: number;
    ng: number;
    no_decision: Record<string, number>;
    late: number;
    lost: number;
    faults: number;
  };
  /** From trigger to result, of the last parts; null before the first. */
  times: { parts: number; p50_ms: number; p99_ms: number; worst_ms: number } | null;
  /** The recipe that it is to take; null without one. */
  wish: RecipeWish | null;
}

/** A station with its last results, the newest last. */
export interface Station extends StationStanding {
  results: StationResult[];
}
